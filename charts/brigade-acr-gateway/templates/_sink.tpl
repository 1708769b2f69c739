{{/* Where events go: "sink" for CloudEvents, else "brigade". The values and the volumes have this name. */}}
{{- define "gateway.sink" -}}
{{ empty .Values.sink.url | ternary "brigade" "sink" }}
{{- end -}}

{{/* "true" if the values name an authority for it, else empty. */}}
{{- define "gateway.hasCa" -}}
{{- with (index .Values (include "gateway.sink" .)).ca }}{{ if or .cert .existingConfigMap .existingSecret }}true{{ end }}{{ end -}}
{{- end -}}

{{/* "true" if the gateway has a credential for it, else empty. Brigade always requires one. */}}
{{- define "gateway.hasCredential" -}}
{{- if or (not .Values.sink.url) .Values.sink.credential .Values.sink.existingSecret }}true{{ end -}}
{{- end -}}

{{- define "gateway.sinkEnv" -}}
{{- if .Values.sink.url }}
- name: SINK_URL
  value: {{ .Values.sink.url | quote }}
- name: SINK_MODE
  value: {{ .Values.sink.mode }}
{{- if include "gateway.hasCredential" . }}
- name: {{ eq .Values.sink.scheme "Basic" | ternary "SINK_BASIC_PATH" "SINK_TOKEN_PATH" }}
  value: /app/sink/credential
{{- end }}
{{- if include "gateway.hasCa" . }}
- name: SINK_CA_PATH
  value: /app/sink-ca/ca.crt
{{- end }}
{{- else }}
- name: API_ADDRESS
  value: {{ .Values.brigade.apiAddress | quote }}
- name: API_TOKEN_PATH
  value: /app/brigade/token
- name: API_IGNORE_CERT_WARNINGS
  value: {{ .Values.brigade.apiIgnoreCertWarnings | quote }}
{{- if include "gateway.hasCa" . }}
- name: API_CA_PATH
  value: /app/brigade-ca/ca.crt
{{- end }}
{{- end }}
{{- end -}}

{{- define "gateway.sinkMounts" -}}
{{- $sink := include "gateway.sink" . }}
{{- if include "gateway.hasCredential" . }}
- name: {{ $sink }}
  mountPath: /app/{{ $sink }}
  readOnly: true
{{- end }}
{{- if include "gateway.hasCa" . }}
- name: {{ $sink }}-ca
  mountPath: /app/{{ $sink }}-ca
  readOnly: true
{{- end }}
{{- end -}}

{{- define "gateway.sinkVolumes" -}}
{{- $sink := include "gateway.sink" . }}
{{- $name := include "gateway.fullname" . }}
{{- with index .Values $sink }}
{{- if include "gateway.hasCredential" $ }}
- name: {{ $sink }}
  secret:
    secretName: {{ default $name .existingSecret }}
    defaultMode: 288 # 0440
    items:
      - key: {{ empty .existingSecret | ternary (empty .url | ternary "brigadeAPIToken" "sinkCredential") .existingSecretKey }}
        path: {{ empty .url | ternary "token" "credential" }}
{{- end }}
{{- if include "gateway.hasCa" $ }}
- name: {{ $sink }}-ca
  {{- if .ca.existingSecret }}
  secret:
    secretName: {{ .ca.existingSecret }}
  {{- else }}
  configMap:
    name: {{ default (printf "%s-%s-ca" $name $sink) .ca.existingConfigMap }}
  {{- end }}
    defaultMode: 288 # 0440
    items:
      - key: {{ or .ca.existingSecret .ca.existingConfigMap | empty | ternary "ca.crt" .ca.existingKey }}
        path: ca.crt
{{- end }}
{{- end }}
{{- end -}}
