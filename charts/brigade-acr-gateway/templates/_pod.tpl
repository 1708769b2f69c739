{{- define "gateway.pod" -}}
metadata:
  labels:
    {{- include "gateway.selectorLabels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- $annotations := default dict .Values.podAnnotations }}
  {{- if .Values.journal.url }}
  {{- /* Unlike a file, a variable is read only at start. */}}
  {{- $annotations = merge (dict "checksum/secret" (include (print $.Template.BasePath "/secret.yaml") . | sha256sum)) $annotations }}
  {{- end }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.serviceAccountName }}
  serviceAccountName: {{ . }}
  {{- end }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  # Attempts get until 25 seconds after the signal, requests 5 seconds after the delay; then the journal closes.
  terminationGracePeriodSeconds: {{ add .Values.shutdownDelaySeconds 30 }}
  containers:
    {{- include "gateway.container" . | nindent 4 }}
  volumes:
    {{- include "gateway.volumes" . | nindent 4 }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range . }}
    {{- $ours := dict "labelSelector" (dict "matchLabels" (include "gateway.selectorLabels" $ | fromYaml)) }}
    - {{- toYaml (merge (deepCopy .) $ours) | nindent 6 }}
    {{- end }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
{{- end -}}

{{- define "gateway.container" -}}
- name: gateway
  image: {{ include "gateway.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: [serve]
  {{- with .Values.securityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - name: webhooks
      containerPort: 8080
    - name: admin
      containerPort: 8081
  env:
    {{- include "gateway.env" . | nindent 4 }}
    {{- with .Values.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumeMounts:
    {{- include "gateway.volumeMounts" . | nindent 4 }}
    {{- with .Values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  # Opening a journal after a crash, or one of an older version, may take minutes.
  startupProbe:
    httpGet:
      path: /healthz
      port: admin
    periodSeconds: 1
    failureThreshold: 300
    timeoutSeconds: 5
  # If the journal does not recover, the process ends by itself after a minute. This probe is for a process that hangs.
  # It asks the admin port, so that a flood from the internet cannot make it fail.
  livenessProbe:
    httpGet:
      path: /healthz
      port: admin
    periodSeconds: 10
    failureThreshold: 6
    timeoutSeconds: 5
  # Does not depend on Brigade: the gateway accepts webhooks while Brigade is down. It fails only after shutdownDelaySeconds:
  # until then, a Service whose last pod is shutting down still sends requests to it.
  readinessProbe:
    httpGet:
      path: /readyz
      port: admin
    periodSeconds: 5
    failureThreshold: {{ div (add .Values.shutdownDelaySeconds 9) 5 }}
    timeoutSeconds: 3
  {{- with .Values.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "gateway.env" -}}
- name: HOST
  value: {{ .Values.listenAddress | quote }}
- name: PORT
  value: "8080"
- name: ADMIN_HOST
  value: {{ .Values.listenAddress | quote }}
- name: ADMIN_PORT
  value: "8081"
- name: ADMIN_ALLOWED_HOSTS
  value: {{ join "," .Values.admin.allowedHosts | quote }}
{{- if or .Values.admin.token .Values.admin.existingSecret }}
- name: ADMIN_TOKEN_PATH
  value: /app/admin/token
{{- end }}
{{- if .Values.admin.tokensSecret }}
- name: ADMIN_TOKENS_PATH
  value: /app/admin-tokens/admin-tokens.json
{{- end }}
{{ include "gateway.sinkEnv" . | trim }}
{{- if include "gateway.hasConfigFile" . }}
- name: CONFIG_PATH
  value: /app/config-file/gateway.yaml
{{- end }}
- name: TOKENS_PATH
  value: /app/config/tokens.json
- name: TLS_ENABLED
  value: {{ .Values.tls.enabled | quote }}
{{- if .Values.tls.enabled }}
- name: TLS_CERT_PATH
  value: /app/certs/tls.crt
- name: TLS_KEY_PATH
  value: /app/certs/tls.key
{{- end }}
- name: JOURNAL_URL
{{- if include "gateway.isShared" . }}
  valueFrom:
    secretKeyRef:
      name: {{ default (include "gateway.fullname" .) .Values.journal.existingSecret }}
      key: {{ empty .Values.journal.existingSecret | ternary "journalURL" .Values.journal.existingSecretKey }}
{{- else }}
  value: sqlite:/var/lib/brigade-acr-gateway/journal.db
- name: JOURNAL_RESERVE
  value: {{ .Values.journal.reserve | quote }}
- name: JOURNAL_MAX_BYTES
  value: {{ .Values.journal.maxBytes | quote }}
{{- end }}
- name: MAX_BODY_BYTES
  value: {{ .Values.maxBodyBytes | quote }}
- name: HANDSHAKE_CREDENTIALS
  value: {{ .Values.handshakeCredentials }}
- name: CONTENT_WINDOW
  value: {{ .Values.contentWindow | quote }}
- name: CONTENT_WINDOW_REGIONS
  value: {{ .Values.contentWindowRegions }}
- name: TRUSTED_PROXIES
  value: {{ join "," .Values.trustedProxies | quote }}
- name: SHUTDOWN_DELAY
  value: {{ printf "%ds" (int .Values.shutdownDelaySeconds) | quote }}
- name: LOG_LEVEL
  value: {{ .Values.logLevel }}
{{- end -}}

{{/* Mounts whole folders, never a subPath: a file that is mounted alone never changes. */}}
{{- define "gateway.volumeMounts" -}}
- name: config
  mountPath: /app/config
  readOnly: true
{{- if include "gateway.hasConfigFile" . }}
- name: config-file
  mountPath: /app/config-file
  readOnly: true
{{- end }}
{{- with include "gateway.sinkMounts" . | trim }}
{{ . }}
{{- end }}
{{- if .Values.tls.enabled }}
- name: cert
  mountPath: /app/certs
  readOnly: true
{{- end }}
{{- if or .Values.admin.token .Values.admin.existingSecret }}
- name: admin
  mountPath: /app/admin
  readOnly: true
{{- end }}
{{- if .Values.admin.tokensSecret }}
- name: admin-tokens
  mountPath: /app/admin-tokens
  readOnly: true
{{- end }}
{{- if not (include "gateway.isShared" .) }}
- name: journal
  mountPath: /var/lib/brigade-acr-gateway
{{- end }}
{{- end -}}

{{/* The group, which is the fsGroup, may read the Secrets. */}}
{{- define "gateway.volumes" -}}
- name: config
  secret:
    secretName: {{ include "gateway.tokensSecret" . }}
    defaultMode: 288 # 0440
    items:
      - key: {{ empty .Values.existingTokensSecret.name | ternary "tokens.json" .Values.existingTokensSecret.key }}
        path: tokens.json
{{- if include "gateway.hasConfigFile" . }}
- name: config-file
  {{- if .Values.existingConfig.secret }}
  secret:
    secretName: {{ .Values.existingConfig.secret }}
  {{- else }}
  configMap:
    name: {{ default (printf "%s-config-file" (include "gateway.fullname" .)) .Values.existingConfig.configMap }}
  {{- end }}
    defaultMode: 288 # 0440
    items:
      - key: {{ or .Values.existingConfig.secret .Values.existingConfig.configMap | empty | ternary "gateway.yaml" .Values.existingConfig.key }}
        path: gateway.yaml
{{- end }}
{{- with include "gateway.sinkVolumes" . | trim }}
{{ . }}
{{- end }}
{{- if .Values.tls.enabled }}
- name: cert
  secret:
    secretName: {{ include "gateway.certSecret" . }}
    defaultMode: 288 # 0440
    items:
      - {key: tls.crt, path: tls.crt}
      - {key: tls.key, path: tls.key}
{{- end }}
{{- if or .Values.admin.token .Values.admin.existingSecret }}
- name: admin
  secret:
    secretName: {{ default (include "gateway.fullname" .) .Values.admin.existingSecret }}
    defaultMode: 288 # 0440
    items:
      - key: {{ empty .Values.admin.existingSecret | ternary "adminToken" .Values.admin.existingSecretKey }}
        path: token
{{- end }}
{{- with .Values.admin.tokensSecret }}
- name: admin-tokens
  secret:
    secretName: {{ . }}
    defaultMode: 288 # 0440
    items:
      - key: {{ $.Values.admin.tokensSecretKey }}
        path: admin-tokens.json
{{- end }}
{{- end -}}
