import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { allErrors } from '#api/field-error.ts';
import type { Container, Pod, PodSpec } from '#api/types.generated.ts';
import { setPodDefaults } from '../../kinds/core/pod/defaults.ts';
import { podChecks } from '../../kinds/core/pod/validation.ts';
import { systemMeta, texts } from '../../kinds/strategy.testing.ts';
import { validateVolumes } from './volumes.ts';

const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/** The errors of a pod that is right but for `spec`. */
function errorsOf(spec: Partial<PodSpec>, annotations?: Record<string, string>): string[] {
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...systemMeta('web', 'ns'), ...(annotations === undefined ? {} : { annotations }) },
    spec: { containers: [{ name: 'c', image: 'nginx' }], serviceAccountName: 'default', ...spec },
  };
  setPodDefaults(pod);
  return texts(allErrors(podChecks(pod)));
}

const one = (more: Partial<Container>): Partial<PodSpec> => ({ containers: [{ name: 'c', image: 'nginx', ...more }] });

/** What the user wrote, and every error that the server answers, in order. */
type Case = [what: string, spec: Partial<PodSpec>, ...errors: string[]];

function check(cases: readonly Case[]): void {
  for (const [what, spec, ...errors] of cases) {
    it(`${errors.length === 0 ? 'accepts' : 'refuses'} ${what}`, () => assert.deepEqual(errorsOf(spec), errors));
  }
}

describe('containers', () => {
  check([
    ['a plain pod', {}],
    ['no container', { containers: [] }, 'spec.containers: Required value'],
    [
      'a container without name and image',
      { containers: [{ name: '' }] },
      'spec.containers[0].name: Required value',
      'spec.containers[0].image: Required value',
    ],
    ['a bad name', one({ name: 'Web_1' }), `spec.containers[0].name: Invalid value: "Web_1": ${LABEL}`],
    [
      'a name twice',
      {
        containers: [
          { name: 'c', image: 'a' },
          { name: 'c', image: 'b' },
        ],
      },
      'spec.containers[1].name: Duplicate value: "c"',
    ],
    [
      'an image with a space',
      one({ image: 'nginx ' }),
      'spec.containers[0].image: Invalid value: "nginx ": must not have leading or trailing whitespace',
    ],
    [
      'an unknown pull policy',
      one({ imagePullPolicy: 'Sometimes' }),
      'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"',
    ],
    [
      'an unknown termination message policy',
      one({ terminationMessagePolicy: 'Syslog' }),
      'spec.containers[0].terminationMessagePolicy: Unsupported value: "Syslog": supported values: "File", "FallbackToLogsOnError"',
    ],
    [
      'an unknown restart policy of a container',
      one({ restartPolicy: 'Sometimes' }),
      'spec.containers[0].restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
    ],
    [
      'privileged without privilege escalation',
      one({ securityContext: { privileged: true, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } }),
      'spec.containers[0].securityContext: Invalid value: {"Capabilities":{"Add":null,"Drop":["ALL"]},"Privileged":true,"SELinuxOptions":null,"WindowsOptions":null,"RunAsUser":null,"RunAsGroup":null,"RunAsNonRoot":null,"ReadOnlyRootFilesystem":null,"AllowPrivilegeEscalation":false,"ProcMount":null,"SeccompProfile":null,"AppArmorProfile":null}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true',
    ],
    [
      'a local seccomp profile for another type',
      { securityContext: { seccompProfile: { type: 'RuntimeDefault', localhostProfile: 'x' } } },
      'spec.securityContext.seccompProfile.localhostProfile: Invalid value: {"Type":"RuntimeDefault","LocalhostProfile":"x"}: can only be set when seccomp type is Localhost',
    ],
    [
      'privileged and everything else at once',
      one({ securityContext: { privileged: true, runAsUser: 0, capabilities: { add: ['NET_ADMIN'] } } }),
    ],
    [
      'a negative user',
      one({ securityContext: { runAsUser: -1 } }),
      'spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive',
    ],
  ]);
});

describe('ports', () => {
  check([
    [
      'a port without number',
      one({ ports: [{ containerPort: 0 }] }),
      'spec.containers[0].ports[0].containerPort: Required value',
    ],
    [
      'a port too large',
      one({ ports: [{ containerPort: 65536 }] }),
      'spec.containers[0].ports[0].containerPort: Invalid value: 65536: must be between 1 and 65535, inclusive',
    ],
    [
      'an unknown protocol',
      one({ ports: [{ containerPort: 80, protocol: 'HTTP' }] }),
      'spec.containers[0].ports[0].protocol: Unsupported value: "HTTP": supported values: "SCTP", "TCP", "UDP"',
    ],
    [
      'a name too long',
      one({ ports: [{ containerPort: 80, name: 'a-very-long-name' }] }),
      'spec.containers[0].ports[0].name: Invalid value: "a-very-long-name": must be no more than 15 characters',
    ],
    [
      'a name twice',
      one({
        ports: [
          { containerPort: 80, name: 'http' },
          { containerPort: 81, name: 'http' },
        ],
      }),
      'spec.containers[0].ports[1].name: Duplicate value: "http"',
    ],
    [
      'a host port twice',
      {
        containers: [
          { name: 'a', image: 'x', ports: [{ containerPort: 80, hostPort: 80 }] },
          { name: 'b', image: 'x', ports: [{ containerPort: 81, hostPort: 80 }] },
        ],
      },
      'spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//80"',
    ],
    [
      "another port of the host's network",
      { hostNetwork: true, ...one({ ports: [{ containerPort: 80, hostPort: 81 }] }) },
      'spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true',
    ],
  ]);
});

describe('environment', () => {
  check([
    ['names with dots and digits', one({ env: [{ name: '1.a b', value: 'x' }] })],
    [
      'a name with an equals sign',
      one({ env: [{ name: 'A=B', value: 'x' }] }),
      'spec.containers[0].env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of printable ASCII characters other than \'=\'',
    ],
    ['no name', one({ env: [{ name: '' }] }), 'spec.containers[0].env[0].name: Required value'],
    [
      'no source',
      one({ env: [{ name: 'A', valueFrom: {} }] }),
      'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
    ],
    [
      'a value and a source',
      one({ env: [{ name: 'A', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] }),
      'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
    ],
    [
      'a field that does not exist',
      one({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.magic' } } }] }),
      'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.magic": error converting fieldPath: field label not supported: spec.magic',
    ],
    [
      'a field for volumes only',
      one({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.labels' } } }] }),
      'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"',
    ],
    ['one label', one({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } }] })],
    [
      'an unknown resource',
      one({ env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.gpu' } } }] }),
      'spec.containers[0].env[0].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.gpu": supported values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"',
    ],
    [
      'a divisor that CPU does not have',
      one({ env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1Mi' } } }] }),
      'spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor\'s values 1m and 1 are supported with the cpu resource',
    ],
    [
      'a key without name',
      one({ env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'm', key: '' } } }] }),
      'spec.containers[0].env[0].valueFrom.configMapKeyRef.key: Required value',
    ],
    [
      'an envFrom without source',
      one({ envFrom: [{}] }),
      'spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`',
    ],
  ]);
});

describe('volumes and mounts', () => {
  check([
    [
      'a mount of a volume that does not exist',
      one({ volumeMounts: [{ name: 'data', mountPath: '/d' }] }),
      'spec.containers[0].volumeMounts[0].name: Not found: "data"',
    ],
    [
      'a path twice',
      {
        volumes: [{ name: 'a', emptyDir: {} }],
        ...one({
          volumeMounts: [
            { name: 'a', mountPath: '/d' },
            { name: 'a', mountPath: '/d' },
          ],
        }),
      },
      'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/d": must be unique',
    ],
    [
      'two sources',
      { volumes: [{ name: 'a', emptyDir: {}, hostPath: { path: '/x' } }] },
      'spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type',
    ],
    [
      'a name twice',
      {
        volumes: [
          { name: 'a', emptyDir: {} },
          { name: 'a', emptyDir: {} },
        ],
      },
      'spec.volumes[1].name: Duplicate value: "a"',
    ],
    [
      'a host path with steps back',
      { volumes: [{ name: 'a', hostPath: { path: '/x/../y' } }] },
      'spec.volumes[0].hostPath.path: Invalid value: "/x/../y": must not contain \'..\'',
    ],
    [
      'an unknown host path type',
      { volumes: [{ name: 'a', hostPath: { path: '/x', type: 'Dir' } }] },
      'spec.volumes[0].hostPath.type: Unsupported value: "Dir": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"',
    ],
    [
      'an image volume without reference',
      { volumes: [{ name: 'a', image: { pullPolicy: 'Always' } }] },
      'spec.volumes[0].image.reference: Required value',
    ],
    ['an image volume', { volumes: [{ name: 'a', image: { reference: 'x', pullPolicy: 'Always' } }] }],
    ['a secret without name', { volumes: [{ name: 'a', secret: {} }] }, 'spec.volumes[0].secret.secretName: Required value'],
    [
      'a mode too large',
      { volumes: [{ name: 'a', configMap: { name: 'm', defaultMode: 512 } }] },
      'spec.volumes[0].configMap.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive',
    ],
    [
      'an absolute path in a config map',
      { volumes: [{ name: 'a', configMap: { name: 'm', items: [{ key: 'k', path: '/abs' }] } }] },
      'spec.volumes[0].configMap.items[0].path: Invalid value: "/abs": must be a relative path',
    ],
    [
      'a token that lives too short',
      { volumes: [{ name: 'a', projected: { sources: [{ serviceAccountToken: { path: 't', expirationSeconds: 60 } }] } }] },
      'spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes',
    ],
    [
      'two projections at one path',
      {
        volumes: [
          {
            name: 'a',
            projected: {
              sources: [
                { configMap: { name: 'm', items: [{ key: 'k', path: 'p' }] } },
                { secret: { name: 's', items: [{ key: 'k', path: 'p' }] } },
              ],
            },
          },
        ],
      },
      'spec.volumes[0].projected: Invalid value: "s": conflicting duplicate paths',
    ],
    [
      'bidirectional propagation without privilege',
      {
        volumes: [{ name: 'a', emptyDir: {} }],
        ...one({ volumeMounts: [{ name: 'a', mountPath: '/d', mountPropagation: 'Bidirectional' }] }),
      },
      'spec.containers[0].volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers',
    ],
  ]);
});

describe('resources', () => {
  check([
    [
      'a request above its limit',
      one({ resources: { requests: { memory: '2Gi' }, limits: { memory: '1Gi' } } }),
      'spec.containers[0].resources.requests: Invalid value: "2Gi": must be less than or equal to memory limit of 1Gi',
    ],
    [
      'a negative request',
      one({ resources: { requests: { cpu: '-1' } } }),
      'spec.containers[0].resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0',
    ],
    [
      'an unknown resource',
      one({ resources: { requests: { gpu: '1' } } }),
      'spec.containers[0].resources.requests[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified',
      'spec.containers[0].resources.requests[gpu]: Invalid value: "gpu": must be a standard resource for containers',
    ],
    [
      'half an extended resource',
      one({ resources: { limits: { 'example.com/gpu': '500m' } } }),
      'spec.containers[0].resources.limits[example.com/gpu]: Invalid value: "500m": must be an integer',
      'spec.containers[0].resources.requests[example.com/gpu]: Invalid value: "500m": must be an integer',
    ],
    [
      'an extended resource requested only',
      one({ resources: { requests: { 'example.com/gpu': '1' } } }),
      'spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources',
    ],
    [
      'huge pages alone',
      one({ resources: { limits: { 'hugepages-2Mi': '4Mi' } } }),
      'spec.containers[0].resources: Forbidden: HugePages require cpu or memory',
    ],
    [
      'huge pages that do not divide',
      one({ resources: { limits: { 'hugepages-2Mi': '3Mi', cpu: '1' }, requests: { 'hugepages-2Mi': '3Mi', cpu: '1' } } }),
      'spec.containers[0].resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi',
      'spec.containers[0].resources.requests[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi',
    ],
  ]);
});

describe('probes and hooks', () => {
  check([
    [
      'a probe that does nothing',
      one({ livenessProbe: {} }),
      'spec.containers[0].livenessProbe: Required value: must specify a handler type',
    ],
    [
      'a probe that does two things',
      one({ livenessProbe: { exec: { command: ['x'] }, tcpSocket: { port: 80 } } }),
      'spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type',
    ],
    [
      'a negative delay',
      one({ readinessProbe: { tcpSocket: { port: 80 }, initialDelaySeconds: -1 } }),
      'spec.containers[0].readinessProbe.initialDelaySeconds: Invalid value: -1: must be greater than or equal to 0',
    ],
    [
      'two successes for liveness',
      one({ livenessProbe: { tcpSocket: { port: 80 }, successThreshold: 2 } }),
      'spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1',
    ],
    ['two successes for readiness', one({ readinessProbe: { tcpSocket: { port: 80 }, successThreshold: 2 } })],
    [
      'port 0',
      one({ livenessProbe: { httpGet: { port: 0 } } }),
      'spec.containers[0].livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive',
    ],
    [
      'a scheme',
      one({ livenessProbe: { httpGet: { port: 80, scheme: 'FTP' } } }),
      'spec.containers[0].livenessProbe.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", "HTTPS"',
    ],
    [
      'a sleep longer than the grace period',
      one({ lifecycle: { preStop: { sleep: { seconds: 60 } } } }),
      'spec.containers[0].lifecycle.preStop.sleep: Invalid value: 60: must be non-negative and less than terminationGracePeriodSeconds (30)',
    ],
    [
      'a hook without command',
      one({ lifecycle: { postStart: { exec: {} } } }),
      'spec.containers[0].lifecycle.postStart.exec.command: Required value',
    ],
  ]);
});

describe('init and ephemeral containers', () => {
  check([
    [
      'a sidecar with a probe',
      { initContainers: [{ name: 'i', image: 'x', restartPolicy: 'Always', readinessProbe: { tcpSocket: { port: 80 } } }] },
    ],
    [
      'an init container with a probe',
      { initContainers: [{ name: 'i', image: 'x', readinessProbe: { tcpSocket: { port: 80 } } }] },
      'spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
    ],
    [
      'the name of a regular container',
      { initContainers: [{ name: 'c', image: 'x' }] },
      'spec.initContainers[0].name: Duplicate value: "c"',
    ],
    [
      'ephemeral containers at creation',
      { ephemeralContainers: [{ name: 'e', image: 'x', ports: [{ containerPort: 1 }], targetContainerName: 'nobody' }] },
      'spec.ephemeralContainers[0].targetContainerName: Not found: "nobody"',
      'spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container',
      'spec.ephemeralContainers: Forbidden: cannot be set on create',
    ],
  ]);
});

describe('the rest of the spec', () => {
  check([
    [
      'an unknown restart policy',
      { restartPolicy: 'Sometimes' },
      'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
    ],
    [
      'an unknown DNS policy',
      { dnsPolicy: 'Magic' },
      'spec.dnsPolicy: Unsupported value: "Magic": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"',
    ],
    [
      'DNS of its own without servers',
      { dnsPolicy: 'None' },
      'spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None',
    ],
    [
      'a name server that is no address',
      { dnsConfig: { nameservers: ['dns'] } },
      'spec.dnsConfig.nameservers[0]: Invalid value: "dns": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ],
    [
      'zeros before an octet',
      { hostAliases: [{ ip: '10.010.1.1' }] },
      'spec.hostAliases[0].ip: Invalid value: "10.010.1.1": must not have leading 0s',
    ],
    ['a host name', { hostname: 'A' }, `spec.hostname: Invalid value: "A": ${LABEL}`],
    [
      'a deadline of zero',
      { activeDeadlineSeconds: 0 },
      'spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive',
    ],
    [
      'a toleration of nothing',
      { tolerations: [{ operator: 'Equal', value: 'x' }] },
      'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"',
    ],
    [
      'an unknown effect',
      { tolerations: [{ key: 'a', operator: 'Exists', effect: 'Explode' }] },
      'spec.tolerations[0].effect: Unsupported value: "Explode": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
    ],
    [
      'an unknown operator',
      { tolerations: [{ key: 'a', operator: 'Like' }] },
      'spec.tolerations[0].operator: Unsupported value: "Like": supported values: "Equal", "Exists"',
    ],
    [
      'seconds for another effect',
      { tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoSchedule', tolerationSeconds: 1 }] },
      'spec.tolerations[0].effect: Invalid value: "NoSchedule": effect must be \'NoExecute\' when `tolerationSeconds` is set',
    ],
    [
      'a spread over nothing',
      { topologySpreadConstraints: [{ maxSkew: 0, topologyKey: '', whenUnsatisfiable: 'Cry' }] },
      'spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero',
      'spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty',
      'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Cry": supported values: "DoNotSchedule", "ScheduleAnyway"',
    ],
    [
      'affinity without terms',
      { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } } },
      'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term',
    ],
    [
      'pod affinity without a topology',
      {
        affinity: {
          podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector: {}, topologyKey: '' }] },
        },
      },
      'spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value: can not be empty',
      'spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: "": name part must be non-empty',
      "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    ],
    [
      "a sysctl of the network on the host's network",
      { hostNetwork: true, securityContext: { sysctls: [{ name: 'net.core.somaxconn', value: '1' }] } },
      'spec.securityContext.sysctls[0].name: Invalid value: "net.core.somaxconn": may not be specified when \'hostNetwork\' is true',
    ],
    [
      'a gate and a node',
      { nodeName: 'n', schedulingGates: [{ name: 'a.b/c' }] },
      'spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared',
    ],
    [
      'a token without an account',
      { serviceAccountName: '', volumes: [{ name: 'a', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }] },
      'spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set',
    ],
  ]);

  it('refuses a deletion cost that is no number, and a mirror pod without a node', () => {
    assert.deepEqual(errorsOf({}, { 'controller.kubernetes.io/pod-deletion-cost': '+5', 'kubernetes.io/config.mirror': 'x' }), [
      'metadata.annotations[kubernetes.io/config.mirror]: Invalid value: "x": must set spec.nodeName if mirror pod annotation is set',
      'metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "+5": must be a 32bit integer',
    ]);
  });
});

it('leaves the reference of an image volume to the pods of a template', () => {
  const spec = { volumes: [{ name: 'a', image: { pullPolicy: 'Always' } }] } as PodSpec;
  assert.deepEqual(validateVolumes(spec.volumes ?? [], 'spec.template.spec.volumes', false).errors, []);
});
