/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
const richPodSpec = {
  containers: [
    {
      name: 'c',
      image: 'nginx',
      ports: [{ containerPort: 80, name: 'http' }],
      env: [
        { name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        { name: 'B', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
        { name: 'C', valueFrom: { configMapKeyRef: { name: 'm', key: 'k' } } },
        { name: 'D', valueFrom: { fileKeyRef: { volumeName: 'e', path: 'p', key: 'k' } } },
      ],
      envFrom: [{ prefix: 'P', secretRef: { name: 's' } }],
      resources: { limits: { cpu: '1' }, requests: { cpu: '1' }, claims: [{ name: 'x' }] },
      livenessProbe: { httpGet: { port: 80, httpHeaders: [{ name: 'X', value: 'y' }] } },
      readinessProbe: { grpc: { port: 80 } },
      lifecycle: { preStop: { sleep: { seconds: 1 } }, postStart: { exec: { command: ['x'] } } },
      securityContext: {
        runAsUser: 1,
        seccompProfile: { type: 'RuntimeDefault' },
        capabilities: { add: ['X'] },
        appArmorProfile: { type: 'Unconfined' },
      },
      volumeMounts: [{ name: 'e', mountPath: '/e', subPath: 'x' }],
      volumeDevices: [{ name: 'f', devicePath: '/dev/x' }],
      resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }],
      restartPolicy: 'Always',
      restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [1] } }],
    },
  ],
  initContainers: [{ name: 'i', image: 'x', restartPolicy: 'Always', ports: [{ containerPort: 1 }] }],
  volumes: [
    { name: 'e', emptyDir: { sizeLimit: '1Mi' } },
    { name: 'h', hostPath: { path: '/x' } },
    { name: 'm', configMap: { name: 'm', items: [{ key: 'k', path: 'p' }] } },
    { name: 's', secret: { secretName: 's', items: [{ key: 'k', path: 'p' }] } },
    { name: 'd', downwardAPI: { items: [{ path: 'p', fieldRef: { fieldPath: 'metadata.labels' } }] } },
    { name: 'n', nfs: { server: 's', path: '/p' } },
    { name: 'g', image: { reference: 'x' } },
    {
      name: 'p',
      projected: {
        sources: [
          { serviceAccountToken: { path: 't' } },
          { configMap: { name: 'm', items: [{ key: 'k', path: 'q' }] } },
          { downwardAPI: { items: [{ path: 'r', resourceFieldRef: { containerName: 'c', resource: 'limits.cpu' } }] } },
          { clusterTrustBundle: { name: 'b', path: 'u' } },
        ],
      },
    },
  ],
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [
          {
            matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }],
            matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }],
          },
        ],
      },
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight: 1, preference: { matchExpressions: [{ key: 'a', operator: 'Exists' }] } },
      ],
    },
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { labelSelector: { matchLabels: { a: 'b' } }, topologyKey: 'z', namespaces: ['n'], matchLabelKeys: ['k'] },
      ],
      preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: { labelSelector: {}, topologyKey: 'z' } }],
    },
  },
  tolerations: [{ key: 'k', operator: 'Equal', value: 'v', effect: 'NoExecute', tolerationSeconds: 1 }],
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: 'z',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] },
      minDomains: 1,
    },
  ],
  hostAliases: [{ ip: '1.1.1.1', hostnames: ['h'] }],
  dnsConfig: { nameservers: ['1.1.1.1'], searches: ['s'], options: [{ name: 'o', value: 'v' }] },
  imagePullSecrets: [{ name: 's' }],
  readinessGates: [{ conditionType: 'a.b/c' }],
  schedulingGates: [{ name: 'a.b/c' }],
  securityContext: { sysctls: [{ name: 'net.x', value: '1' }], supplementalGroups: [1] },
  resourceClaims: [{ name: 'x', resourceClaimName: 'y' }],
  resources: { limits: { cpu: '2' } },
  os: { name: 'linux' },
  overhead: { cpu: '1m' },
};

/** For kinds with a pod template. */
export const richTemplate = { metadata: { labels: { app: 'web' } }, spec: richPodSpec };
export const richSelector = {
  matchLabels: { app: 'web' },
  matchExpressions: [{ key: 'app', operator: 'In', values: ['web'] }],
};

export const samples = {
  pods: { spec: richPodSpec },
};
