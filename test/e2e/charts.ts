/** Two charts of different shape, of our own: a web application, and a database whose pods have claims. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The files of a chart by path. */
type Chart = Readonly<Record<string, string>>;

const names = `
{{- define "app.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- define "app.selector" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
`;

/** Deployment, Service, ServiceAccount, ConfigMap, HorizontalPodAutoscaler, Ingress, NetworkPolicy, budget, hooks and a test. */
export const webApp: Chart = {
  'Chart.yaml': 'apiVersion: v2\nname: web-app\nversion: 0.1.0\nappVersion: "1"\n',
  'values.yaml': `
replicas: 1
version: 1
greeting: hello
autoscaling: {enabled: true, min: 1, max: 3}
ingress: {enabled: true, host: shop.example.com}
`,
  'templates/_names.tpl': names,
  'templates/NOTES.txt': 'Ask {{ .Release.Name }} for {{ .Values.greeting }}.\n',
  'templates/config.yaml': `
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}, labels: {app.kubernetes.io/instance: {{ .Release.Name }}}}
data: {greeting: {{ .Values.greeting | quote }}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: {{ .Release.Name }}}
automountServiceAccountToken: false
`,
  'templates/deployment.yaml': `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  labels:
    {{- include "app.labels" . | nindent 4 }}
spec:
  {{- if not .Values.autoscaling.enabled }}
  replicas: {{ .Values.replicas }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "app.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "app.selector" . | nindent 8 }}
      annotations:
        checksum/config: {{ include (print $.Template.BasePath "/config.yaml") . | sha256sum }}
    spec:
      serviceAccountName: {{ .Release.Name }}
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: tinkernetes/web:{{ .Values.version }}
          ports: [{name: http, containerPort: 8080}]
          envFrom: [{configMapRef: {name: {{ .Release.Name }}}}]
          readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
          resources: {requests: {cpu: 10m, memory: 8Mi}}
`,
  'templates/service.yaml': `
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}}
spec:
  selector: {{- include "app.selector" . | nindent 4 }}
  ports: [{name: http, port: 80, targetPort: http}]
`,
  'templates/around.yaml': `
{{- if .Values.autoscaling.enabled }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: {{ .Release.Name }}}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .Release.Name }}}
  minReplicas: {{ .Values.autoscaling.min }}
  maxReplicas: {{ .Values.autoscaling.max }}
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
{{- end }}
---
{{- if .Values.ingress.enabled }}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: {{ .Release.Name }}}
spec:
  rules:
    - host: {{ .Values.ingress.host }}
      http:
        paths: [{path: /, pathType: Prefix, backend: {service: {name: {{ .Release.Name }}, port: {name: http}}}}]
{{- end }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: {{ .Release.Name }}}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/instance: {{ .Release.Name }}}}
  policyTypes: [Ingress]
  ingress: [{ports: [{port: 8080}]}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: {{ .Release.Name }}}
spec:
  maxUnavailable: 1
  selector: {matchLabels: {app.kubernetes.io/instance: {{ .Release.Name }}}}
`,
  'templates/hooks.yaml': `
{{- range $hook := list "pre-install" "post-install" "pre-upgrade" "post-upgrade" "pre-delete" }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $.Release.Name }}-{{ $hook }}
  annotations: {helm.sh/hook: {{ $hook }}, helm.sh/hook-delete-policy: before-hook-creation}
data: {revision: {{ $.Release.Revision | quote }}}
---
{{- end }}
`,
  'templates/tests/answers.yaml': `
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-test
  annotations: {helm.sh/hook: test, helm.sh/hook-delete-policy: before-hook-creation}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
    - name: ask
      image: busybox
      imagePullPolicy: IfNotPresent
      command: [sh, -c, 'wget -qO- http://{{ .Release.Name }}/ | grep "version {{ .Values.version }}$"']
`,
};

/** StatefulSet with claims, headless Service, RBAC, and a Job that runs before anything else. */
export const database: Chart = {
  'Chart.yaml': 'apiVersion: v2\nname: database\nversion: 1.0.0\n',
  'values.yaml': 'replicas: 1\nsize: 1Mi\nsetUp: "true"\n',
  'templates/_names.tpl': names,
  'templates/rbac.yaml': `
apiVersion: v1
kind: ServiceAccount
metadata: {name: {{ .Release.Name }}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: {{ .Release.Name }}}
rules: [{apiGroups: [""], resources: [endpoints, pods], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: {{ .Release.Name }}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ .Release.Name }}}
subjects: [{kind: ServiceAccount, name: {{ .Release.Name }}, namespace: {{ .Release.Namespace }}}]
`,
  'templates/secret.yaml': `
{{- $old := lookup "v1" "Secret" .Release.Namespace .Release.Name }}
apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}}
data:
  password: {{ if $old }}{{ $old.data.password }}{{ else }}{{ randAlphaNum 12 | b64enc }}{{ end }}
`,
  'templates/service.yaml': `
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector: {app.kubernetes.io/instance: {{ .Release.Name }}}
  ports: [{name: sql, port: 5432}]
`,
  'templates/statefulset.yaml': `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: {{ .Release.Name }}}
spec:
  serviceName: {{ .Release.Name }}
  replicas: {{ .Values.replicas }}
  podManagementPolicy: Parallel
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Retain}
  selector: {matchLabels: {app.kubernetes.io/instance: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app.kubernetes.io/instance: {{ .Release.Name }}}}
    spec:
      serviceAccountName: {{ .Release.Name }}
      terminationGracePeriodSeconds: 1
      containers:
        - name: db
          image: busybox
          imagePullPolicy: IfNotPresent
          command: [sh, -c, 'echo $HOSTNAME >> /data/starts; sleep 3600']
          env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: {{ .Release.Name }}, key: password}}}]
          volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: {{ .Values.size }}}}}
`,
  'templates/job.yaml': `
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-set-up
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: "-5"
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: c, image: busybox, imagePullPolicy: IfNotPresent, command: [sh, -c, {{ .Values.setUp | quote }}]}]
`,
};

/** Writes a chart to a new folder. Resolves to its path. */
export function writeChart(folder: string, chart: Chart): string {
  for (const [path, text] of Object.entries(chart)) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  return folder;
}
