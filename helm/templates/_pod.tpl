{{/* The pod template of both engines. */}}
{{- define "lastcall.podTemplate" -}}
metadata:
  annotations:
    {{- /* Of the settings alone: a new version of the chart is no reason for a rollout. */}}
    checksum/config: {{ toJson .Values.config | sha256sum }}
    {{- with .Values.tokens }}
    {{- /* Of the values, since a generated token differs each time that the cluster cannot be looked into. */}}
    checksum/tokens: {{ toJson (list .admin .api) | sha256sum }}
    {{- end }}
    {{- with .Values.tasks.modules }}
    checksum/tasks: {{ toJson . | sha256sum }}
    {{- end }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  labels:
    {{- /* Not the chart's version: a rollout costs a drain, and should have a reason. */}}
    {{- include "lastcall.podSelectorLabels" . | nindent 4 }}
    app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
    {{- with .Values.commonLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  serviceAccountName: {{ include "lastcall.serviceAccountName" . }}
  automountServiceAccountToken: {{ .Values.serviceAccount.automount }}
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "lastcall.gracePeriodSeconds" . }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with .Values.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.hostAliases }}
  hostAliases:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: lastcall
      image: {{ include "lastcall.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      {{- with .Values.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- include "lastcall.environment" . | nindent 6 }}
      ports:
        - name: http
          containerPort: {{ int .Values.config.PORT }}
          protocol: TCP
      {{- with .Values.startupProbe }}
      startupProbe:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.livenessProbe }}
      livenessProbe:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.readinessProbe }}
      readinessProbe:
        {{- if not (or .httpGet .exec .tcpSocket .grpc) }}
        httpGet:
          path: {{ ternary "/readyz?exclude=tasks" "/readyz" (eq $.Values.engine "distributed") }}
          port: http
        {{- end }}
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with int .Values.preStopSleepSeconds }}
      lifecycle:
        preStop:
          sleep:
            seconds: {{ . }}
      {{- end }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        {{- /* SQLite sorts there what does not fit into memory. */}}
        - name: tmp
          mountPath: /tmp
        {{- if eq .Values.engine "embedded" }}
        - name: data
          mountPath: /data
        {{- end }}
        {{- if include "lastcall.hasTaskTypes" . }}
        - name: tasks
          mountPath: /tasks
          readOnly: true
        {{- end }}
        {{- with .Values.volumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: tmp
      emptyDir: {}
    {{- if eq .Values.engine "embedded" }}
    {{- if not .Values.persistence.enabled }}
    - name: data
      emptyDir: {}
    {{- else if .Values.persistence.existingClaim }}
    - name: data
      persistentVolumeClaim:
        claimName: {{ .Values.persistence.existingClaim }}
    {{- end }}
    {{- end }}
    {{- with .Values.tasks }}
    {{- if .modules }}
    - name: tasks
      configMap:
        name: {{ include "lastcall.fullname" $ }}-tasks
    {{- else if .existingConfigMap }}
    - name: tasks
      configMap:
        name: {{ .existingConfigMap }}
    {{- else if .volume }}
    - name: tasks
      {{- toYaml .volume | nindent 6 }}
    {{- end }}
    {{- end }}
    {{- with .Values.volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if and (eq .Values.engine "distributed") .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range .Values.topologySpreadConstraints }}
    {{- $defaults := dict "labelSelector" (dict "matchLabels" (include "lastcall.podSelectorLabels" $ | fromYaml)) "matchLabelKeys" (list "pod-template-hash") }}
    - {{- merge (deepCopy .) $defaults | toYaml | nindent 6 }}
    {{- end }}
  {{- end }}
{{- end }}

{{/* Later sources win over earlier ones, and env over envFrom: nothing replaces a budget behind the chart's back. */}}
{{- define "lastcall.environment" -}}
envFrom:
  {{- with .Values.extraEnvFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  - configMapRef:
      name: {{ include "lastcall.fullname" . }}
{{- $tokens := include "lastcall.tokensSecret" . }}
env:
  {{- range include "lastcall.podSettings" . | fromJsonArray }}
  {{- $value := get $.Values.config . }}
  {{- if not (kindIs "invalid" $value) }}
  - name: {{ . }}
    value: {{ include "lastcall.settingText" $value }}
  {{- end }}
  {{- end }}
  {{- if include "lastcall.hasTaskTypes" . }}
  - name: TASKS_DIR
    value: /tasks
  {{- end }}
  {{- if eq .Values.engine "embedded" }}
  - name: TASK_STORE_URL
    value: sqlite:/data/tasks.db
  {{- else }}
  - name: TASK_STORE_URL
    valueFrom:
      secretKeyRef:
        name: {{ .Values.redis.existingSecret }}
        key: {{ .Values.redis.key }}
  {{- end }}
  {{- if $tokens }}
  {{- range list "ADMIN_TOKEN" "API_TOKENS" "TICKET_SECRET" }}
  - name: {{ . }}
    valueFrom:
      secretKeyRef:
        name: {{ $tokens }}
        key: {{ . }}
        optional: true
  {{- end }}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
