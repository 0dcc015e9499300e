{{- define "kith.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* A StatefulSet's name has 52 characters at most: its pods' labels add to it. */}}
{{- define "kith.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "kith.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "kith.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "kith.selectorLabels" -}}
app.kubernetes.io/name: {{ include "kith.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "kith.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{ include "kith.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "kith.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "kith.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "kith.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The secret that holds the certificate; empty without TLS. */}}
{{- define "kith.tlsSecret" -}}
{{- if .Values.tls.certManager.enabled -}}
{{ include "kith.fullname" . }}-tls
{{- else -}}
{{ .Values.tls.existingSecret }}
{{- end -}}
{{- end -}}

{{/* Secrets are mounted as folders, for only folders follow a secret that changes. */}}
{{- define "kith.secrets" -}}
{{- $secrets := list -}}
{{- with include "kith.tlsSecret" . }}{{ $secrets = append $secrets (dict "name" "tls" "secret" .) }}{{ end -}}
{{- with .Values.tls.clientCaSecret }}{{ $secrets = append $secrets (dict "name" "client-ca" "secret" .) }}{{ end -}}
{{- with .Values.auth.existingSecret }}{{ $secrets = append $secrets (dict "name" "auth" "secret" .) }}{{ end -}}
{{- with .Values.settings.auditKeySecret }}{{ $secrets = append $secrets (dict "name" "audit" "secret" .) }}{{ end -}}
{{- with .Values.traces.caSecret }}{{ $secrets = append $secrets (dict "name" "traces-ca" "secret" .) }}{{ end -}}
{{- with .Values.archive.caSecret }}{{ $secrets = append $secrets (dict "name" "archive-ca" "secret" .) }}{{ end -}}
{{ $secrets | toJson }}
{{- end -}}

{{/* Numbers come from YAML as floats: they are written in full. */}}
{{- define "kith.env" -}}
- name: KITH_DATA
  value: /data/store
- name: KITH_LISTEN
  value: "[::]:5484"
- name: KITH_HEALTH_LISTEN
  value: "[::]:5485"
{{- if .Values.metrics.enabled }}
- name: KITH_METRICS_LISTEN
  value: "[::]:5486"
{{- end }}
{{- with .Values.settings }}
- name: KITH_INSECURE
  value: {{ .insecure | quote }}
- name: KITH_DRAIN_SECONDS
  value: {{ .drainSeconds | int64 | quote }}
- name: KITH_AUDIT
  value: {{ .audit | quote }}
- name: KITH_LOG
  value: {{ .logLevel | quote }}
- name: KITH_LOG_FORMAT
  value: {{ .logFormat | quote }}
{{- range $name, $value := dict "KITH_MAX_EDGES_VISITED" .maxEdgesVisited "KITH_CHECKPOINT_LOG_BYTES" .checkpointLogBytes "KITH_LOG_RETENTION_BYTES" .logRetentionBytes "KITH_LOG_RETENTION_SECONDS" .logRetentionSeconds "KITH_ERASE_WITHIN_SECONDS" .eraseWithinSeconds }}
{{- if not (kindIs "invalid" $value) }}
- name: {{ $name }}
  value: {{ $value | int64 | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := .Values.limits }}
{{- if not (kindIs "invalid" $value) }}
- name: KITH_{{ $name | snakecase | upper }}
  value: {{ $value | int64 | quote }}
{{- end }}
{{- end }}
{{- if include "kith.tlsSecret" . }}
- name: KITH_TLS_CERT
  value: /etc/kith/tls/tls.crt
- name: KITH_TLS_KEY
  value: /etc/kith/tls/tls.key
{{- end }}
{{- if .Values.tls.clientCaSecret }}
- name: KITH_TLS_CLIENT_CA
  value: /etc/kith/client-ca/ca.crt
{{- end }}
{{- if .Values.auth.existingSecret }}
- name: KITH_AUTH
  value: /etc/kith/auth/auth.toml
{{- end }}
{{- if .Values.settings.auditKeySecret }}
- name: KITH_AUDIT_KEY
  value: /etc/kith/audit/audit.key
{{- end }}
{{- with .Values.traces.endpoint }}
- name: KITH_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- if .Values.traces.caSecret }}
- name: KITH_OTLP_CA
  value: /etc/kith/traces-ca/ca.crt
{{- end }}
{{- if not (kindIs "invalid" .Values.traces.sample) }}
- name: KITH_OTLP_SAMPLE
  value: {{ .Values.traces.sample | quote }}
{{- end }}
{{- with .Values.archive }}
{{- if or .existingClaim .url }}
- name: KITH_ARCHIVE
  value: {{ default "/archive/kith" .url }}
{{- if .caSecret }}
- name: SSL_CERT_FILE
  value: /etc/kith/archive-ca/ca.crt
{{- end }}
{{- range $name, $value := dict "KITH_ARCHIVE_SECONDS" .seconds "KITH_ARCHIVE_BACKUP_HOURS" .backupHours "KITH_ARCHIVE_KEEP_DAYS" .keepDays }}
{{- if not (kindIs "invalid" $value) }}
- name: {{ $name }}
  value: {{ $value | int64 | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
