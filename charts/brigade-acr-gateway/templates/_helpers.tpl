{{- define "gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/*
At most 50 characters: the longest suffix is "-ingress-cert", and a StatefulSet's name goes into a label with 11 more.
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

{{/* The pod of "helm test" must never get webhooks, so it has another name than the gateways. */}}
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

{{/* "true" where the journal is in PostgreSQL, else empty. */}}
{{- define "gateway.isShared" -}}
{{- if or .Values.journal.url .Values.journal.existingSecret }}true{{ end -}}
{{- end -}}

{{/* "true" where there may be more than one pod, else empty. */}}
{{- define "gateway.hasReplicas" -}}
{{- if or .Values.autoscaling.enabled (gt (int .Values.replicas) 1) }}true{{ end -}}
{{- end -}}

{{/* Secrets: those that are there already, or the chart's own. */}}
{{- define "gateway.tokensSecret" -}}
{{ default (printf "%s-config" (include "gateway.fullname" .)) .Values.existingTokensSecret.name }}
{{- end -}}

{{- define "gateway.certSecret" -}}
{{ default (printf "%s-cert" (include "gateway.fullname" .)) .Values.tls.existingSecret }}
{{- end -}}

{{- define "gateway.ingressCertSecret" -}}
{{ default (printf "%s-ingress-cert" (include "gateway.fullname" .)) .Values.ingress.tls.existingSecret }}
{{- end -}}

{{/* "true" where there is a configuration file, else empty. */}}
{{- define "gateway.hasConfigFile" -}}
{{- if or .Values.config .Values.existingConfig.configMap .Values.existingConfig.secret }}true{{ end -}}
{{- end -}}

{{/* The names that a certificate of the gateway is for: that of the world, and those of the cluster. */}}
{{- define "gateway.dnsNames" -}}
{{- $name := include "gateway.fullname" . -}}
{{- list .Values.host $name (printf "%s.%s" $name .Release.Namespace) (printf "%s.%s.svc" $name .Release.Namespace) (printf "%s.%s.svc.cluster.local" $name .Release.Namespace) | toJson -}}
{{- end -}}

{{/* The data of a Secret with a certificate, from the values and the names that it is for. */}}
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

{{/* The rule of a NetworkPolicy that leads to an address. */}}
{{- define "gateway.wayOut" -}}
{{- $url := urlParse .address }}
{{- $host := $url.hostname }}
{{- $namespace := regexReplaceAll "^[^.]+\\.([^.]+)\\.svc($|\\..*$)" $host "${1}" }}
{{- if ne $namespace $host }}
# {{ .to }}, in this cluster. A policy sees the ports of pods, which the address does not tell.
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ $namespace }}
{{- else if not (contains "." $host) }}
# {{ .to }}, in this namespace. A policy sees the ports of pods, which the address does not tell.
- to:
    - podSelector: {}
{{- else }}
# {{ .to }}, elsewhere.
- ports:
    - port: {{ regexFind "[0-9]+$" (trimPrefix $host $url.host) | default (eq $url.scheme "https" | ternary "443" "80") }}
{{- end }}
{{- end -}}

{{- define "gateway.validate" -}}
{{- if not (or .Values.sink.url .Values.brigade.apiToken .Values.brigade.existingSecret) -}}
{{- fail "brigade.apiToken is required: the token of a service account in Brigade, or brigade.existingSecret with it, or sink.url in place of Brigade" -}}
{{- end -}}
{{- if and .Values.tls.certManager.enabled (not .Values.tls.certManager.issuerRef.name) -}}
{{- fail "tls.certManager.issuerRef.name is required with tls.certManager.enabled" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs is required with httpRoute.enabled: the Gateways that lead to this gateway" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (not (include "gateway.isShared" .)) -}}
{{- fail "autoscaling.enabled needs journal.url or journal.existingSecret: a replica that is scaled away would keep what it has not delivered" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (not (dig "requests" "cpu" "" (default dict .Values.resources))) -}}
{{- fail "autoscaling.enabled needs resources.requests.cpu: it counts in percent of that" -}}
{{- end -}}
{{- if regexMatch "(?i)azurefile|azure-file|nfs|smb|cifs" (default "" .Values.journal.storageClassName) -}}
{{- fail "journal.storageClassName must be a block device such as Azure Disk (managed-csi): a journal on SMB or NFS can be damaged" -}}
{{- end -}}
{{- end -}}
