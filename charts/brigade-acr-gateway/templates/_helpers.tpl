{{- define "gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/*
At most 50 characters: the longest suffix is "-ingress-cert", and Kubernetes puts a StatefulSet's name into a label with 11
characters more.
*/}}
{{- define "gateway.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "gateway.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "gateway.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gateway.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "gateway.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* The pod of "helm test" must never get webhooks, so its name label differs from that of the gateways. */}}
{{- define "gateway.testLabels" -}}
app.kubernetes.io/name: {{ include "gateway.name" . }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "gateway.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}

{{- define "gateway.servicePort" -}}
{{ .Values.tls.enabled | ternary 443 80 }}
{{- end -}}

{{/* "true" if the journal is in PostgreSQL, else empty. */}}
{{- define "gateway.isShared" -}}
{{- if or .Values.journal.url .Values.journal.existingSecret }}true{{ end -}}
{{- end -}}

{{/* "true" if there may be more than one pod, else empty. */}}
{{- define "gateway.hasReplicas" -}}
{{- if or .Values.autoscaling.enabled (gt (int .Values.replicas) 1) }}true{{ end -}}
{{- end -}}

{{/* Names of Secrets: the existing one if the values name one, else the chart's own. */}}
{{- define "gateway.tokensSecret" -}}
{{ default (printf "%s-config" (include "gateway.fullname" .)) .Values.existingTokensSecret.name }}
{{- end -}}

{{- define "gateway.certSecret" -}}
{{ default (printf "%s-cert" (include "gateway.fullname" .)) .Values.tls.existingSecret }}
{{- end -}}

{{- define "gateway.ingressCertSecret" -}}
{{ default (printf "%s-ingress-cert" (include "gateway.fullname" .)) .Values.ingress.tls.existingSecret }}
{{- end -}}

{{/* "true" if there is a configuration file, else empty. */}}
{{- define "gateway.hasConfigFile" -}}
{{- if or .Values.config .Values.existingConfig.configMap .Values.existingConfig.secret }}true{{ end -}}
{{- end -}}

{{/* The names in a certificate of the gateway: the public one, and those in the cluster. */}}
{{- define "gateway.dnsNames" -}}
{{- $name := include "gateway.fullname" . -}}
{{- list .Values.host $name (printf "%s.%s" $name .Release.Namespace) (printf "%s.%s.svc" $name .Release.Namespace) (printf "%s.%s.svc.cluster.local" $name .Release.Namespace) | toJson -}}
{{- end -}}

{{/* The data of a Secret with a certificate, from the values and the names in the certificate. */}}
{{- define "gateway.certData" -}}
{{- if .tls.generateSelfSignedCert -}}
{{- $cert := genSelfSignedCert .host nil (fromJsonArray .names) 3650 -}}
tls.crt: {{ b64enc $cert.Cert }}
tls.key: {{ b64enc $cert.Key }}
{{- else -}}
tls.crt: {{ .tls.cert | nospace }}
tls.key: {{ required "a certificate needs its key: set key beside cert" .tls.key | nospace }}
{{- end -}}
{{- end -}}

{{/* The rule of a NetworkPolicy that allows connections to an address. */}}
{{- define "gateway.wayOut" -}}
{{- $url := urlParse .address }}
{{- $host := $url.hostname }}
{{- $namespace := regexReplaceAll "^[^.]+\\.([^.]+)\\.svc($|\\..*$)" $host "${1}" }}
{{- if ne $namespace $host }}
# {{ .to }}, in this cluster. A policy applies to the ports of pods, which the address does not contain.
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ $namespace }}
{{- else if not (contains "." $host) }}
# {{ .to }}, in this namespace. A policy applies to the ports of pods, which the address does not contain.
- to:
    - podSelector: {}
{{- else }}
# {{ .to }}, outside this cluster.
- ports:
    - port: {{ regexFind "[0-9]+$" (trimPrefix $host $url.host) | default (eq $url.scheme "https" | ternary "443" "80") }}
{{- end }}
{{- end -}}

{{- define "gateway.validate" -}}
{{- if not (or .Values.sink.url .Values.brigade.apiToken .Values.brigade.existingSecret) -}}
{{- fail "brigade.apiToken is required: set it to the token of a service account in Brigade, or set brigade.existingSecret, or set sink.url to use another sink" -}}
{{- end -}}
{{- if and .Values.tls.certManager.enabled (not .Values.tls.certManager.issuerRef.name) -}}
{{- fail "tls.certManager.issuerRef.name is required with tls.certManager.enabled" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs is required with httpRoute.enabled: name the Gateways to which the route belongs" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (not (include "gateway.isShared" .)) -}}
{{- fail "autoscaling.enabled needs journal.url or journal.existingSecret: a removed replica would keep the events that it has not delivered" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (not (dig "requests" "cpu" "" (default dict .Values.resources))) -}}
{{- fail "autoscaling.enabled needs resources.requests.cpu: the target is in percent of it" -}}
{{- end -}}
{{- if regexMatch "(?i)azurefile|azure-file|nfs|smb|cifs" (default "" .Values.journal.storageClassName) -}}
{{- fail "journal.storageClassName must be a block device such as Azure Disk (managed-csi): a journal on SMB or NFS can be damaged" -}}
{{- end -}}
{{- end -}}
