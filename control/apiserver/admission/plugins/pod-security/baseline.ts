/** The checks of the level `baseline`. Source: kubernetes.io, Pod Security Standards; upstream `k8s.io/pod-security-admission/policy`. Pure. */
import type { LifecycleHandler, Probe, SELinuxOptions } from '#api/types.generated.ts';
import {
  allContainers,
  type Check,
  type CheckPod,
  containersText,
  containersWith,
  fieldValues,
  hasUserNamespace,
  plural,
  quoted,
  settersText,
  sorted,
} from './check.ts';

const isAllowedProfile = (type: string | undefined): boolean => type === 'RuntimeDefault' || type === 'Localhost';

const appArmor: CheckPod = (pod) => {
  const { ofPod, ofContainers } = fieldValues(pod, 'appArmorProfile');
  const isBadPod = ofPod !== undefined && !isAllowedProfile(ofPod.type);
  const bad = ofContainers.filter(({ value }) => !isAllowedProfile(value.type));
  const annotations = Object.entries(pod.metadata?.annotations ?? {})
    .filter(([key]) => key.startsWith('container.apparmor.security.beta.kubernetes.io/'))
    .filter(([, value]) => value !== '' && value !== 'runtime/default' && !value.startsWith('localhost/'))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  const setters = settersText(
    isBadPod,
    bad.map(({ name }) => name),
  );
  const all = [setters, annotations.length > 0 ? plural(annotations.length, 'annotation') : ''].filter((text) => text !== '');
  if (all.length === 0) return undefined;
  const values = [...sorted([...(isBadPod ? [ofPod.type] : []), ...bad.map(({ value }) => value.type)]), ...sorted(annotations)];
  return {
    reason: plural(values.length, 'forbidden AppArmor profile'),
    detail: `${all.join(' and ')} must not set AppArmor profile type to ${quoted(values)}`,
  };
};

const defaultCapabilities = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);

const capabilities: CheckPod = (pod) => {
  const badOf = (added: readonly string[] = []): string[] => added.filter((one) => !defaultCapabilities.has(one));
  const bad = containersWith(pod, (context) => badOf(context?.capabilities?.add).length > 0);
  if (bad.length === 0) return undefined;
  const names = sorted(allContainers(pod).flatMap(({ securityContext }) => badOf(securityContext?.capabilities?.add)));
  const detail = `${containersText(bad)} must not include ${quoted(names)} in securityContext.capabilities.add`;
  return { reason: 'non-default capabilities', detail };
};

const hostNamespaces: CheckPod = ({ spec }) => {
  const used = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((name) => spec[name] === true);
  return used.length === 0 ? undefined : { reason: 'host namespaces', detail: used.map((name) => `${name}=true`).join(', ') };
};

const hostPaths: CheckPod = ({ spec }) => {
  const names = (spec.volumes ?? []).filter(({ hostPath }) => hostPath !== undefined).map(({ name }) => name);
  if (names.length === 0) return undefined;
  return { reason: 'hostPath volumes', detail: `${plural(names.length, 'volume')} ${quoted(names)}` };
};

const hostPorts: CheckPod = (pod) => {
  const portsOf = ({ ports = [] }: { ports?: { hostPort?: number | undefined }[] | undefined }): string[] =>
    ports.flatMap(({ hostPort = 0 }) => (hostPort === 0 ? [] : [`${hostPort}`]));
  const bad = containersWith(pod, (_, container) => portsOf(container).length > 0);
  if (bad.length === 0) return undefined;
  const ports = sorted(allContainers(pod).flatMap(portsOf));
  const uses = plural(bad.length, 'uses', 'use');
  return { reason: 'hostPort', detail: `${containersText(bad)} ${uses} ${plural(ports.length, 'hostPort')} ${ports.join(', ')}` };
};

type Handler = Probe | LifecycleHandler | undefined;

const hostProbes: CheckPod = (pod) => {
  const hostsOf = (container: ReturnType<typeof allContainers>[number]): string[] => {
    const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container;
    const handlers: Handler[] = [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop];
    return handlers
      .flatMap((one) => [one?.httpGet?.host, one?.tcpSocket?.host])
      .filter((host) => host !== undefined && host !== '') as string[];
  };
  const bad = sorted(containersWith(pod, (_, container) => hostsOf(container).length > 0));
  if (bad.length === 0) return undefined;
  const hosts = sorted(allContainers(pod).flatMap(hostsOf));
  const uses = `${plural(bad.length, 'uses', 'use')} ${plural(hosts.length, 'probe or lifecycle host')}`;
  return { reason: 'probe or lifecycle host', detail: `${containersText(bad)} ${uses} ${quoted(hosts)}` };
};

const privileged: CheckPod = (pod) => {
  const bad = containersWith(pod, (context) => context?.privileged === true);
  if (bad.length === 0) return undefined;
  return { reason: 'privileged', detail: `${containersText(bad)} must not set securityContext.privileged=true` };
};

/** Also the check of `restricted` that knows no exception. */
export const procMount: CheckPod = (pod) => {
  const isBad = (value: string | undefined): value is string => value !== undefined && value !== 'Default';
  const bad = containersWith(pod, (context) => isBad(context?.procMount));
  if (bad.length === 0) return undefined;
  const values = sorted(
    allContainers(pod)
      .map(({ securityContext }) => securityContext?.procMount)
      .filter(isBad),
  );
  return { reason: 'procMount', detail: `${containersText(bad)} must not set securityContext.procMount to ${quoted(values)}` };
};

const seccompAnnotations: CheckPod = (pod) => {
  const annotations = new Map(Object.entries(pod.metadata?.annotations ?? {}));
  const keys = [
    'seccomp.security.alpha.kubernetes.io/pod',
    ...allContainers(pod).map(({ name }) => `container.seccomp.security.alpha.kubernetes.io/${name}`),
  ];
  const isAllowed = (value: string): boolean =>
    value === 'runtime/default' || value === 'docker/default' || value.startsWith('localhost/');
  const bad = sorted(
    keys.flatMap((key) => {
      const value = annotations.get(key);
      return value === undefined || isAllowed(value) ? [] : [`${key}=${JSON.stringify(value)}`];
    }),
  );
  if (bad.length === 0) return undefined;
  return { reason: 'seccompProfile', detail: `forbidden ${plural(bad.length, 'annotation')} ${bad.join(', ')}` };
};

/** Also the first half of the check of `restricted`. */
export const seccompProfile: CheckPod = (pod) => {
  const { ofPod, ofContainers } = fieldValues(pod, 'seccompProfile');
  const isBadPod = ofPod !== undefined && !isAllowedProfile(ofPod.type);
  const bad = ofContainers.filter(({ value }) => !isAllowedProfile(value.type));
  if (!isBadPod && bad.length === 0) return undefined;
  const values = sorted([...(isBadPod ? [ofPod.type] : []), ...bad.map(({ value }) => value.type)]);
  const setters = settersText(
    isBadPod,
    bad.map(({ name }) => name),
  );
  return { reason: 'seccompProfile', detail: `${setters} must not set securityContext.seccompProfile.type to ${quoted(values)}` };
};

const seLinux =
  (...types: string[]): CheckPod =>
  (pod) => {
    const allowed = new Set(['', 'container_t', 'container_init_t', 'container_kvm_t', ...types]);
    const isBad = ({ type = '', user = '', role = '' }: SELinuxOptions): boolean =>
      !allowed.has(type) || user !== '' || role !== '';
    const { ofPod, ofContainers } = fieldValues(pod, 'seLinuxOptions');
    const isBadPod = ofPod !== undefined && isBad(ofPod);
    const bad = ofContainers.filter(({ value }) => isBad(value));
    if (!isBadPod && bad.length === 0) return undefined;
    const all: SELinuxOptions[] = [...(ofPod === undefined ? [] : [ofPod]), ...ofContainers.map(({ value }) => value)];
    const badTypes = sorted(all.map(({ type = '' }) => type).filter((type) => !allowed.has(type)));
    const problems = [
      ...(badTypes.length > 0 ? [`${plural(badTypes.length, 'type')} ${quoted(badTypes)}`] : []),
      ...(all.some(({ user = '' }) => user !== '') ? ['user may not be set'] : []),
      ...(all.some(({ role = '' }) => role !== '') ? ['role may not be set'] : []),
    ];
    const setters = settersText(
      isBadPod,
      bad.map(({ name }) => name),
    );
    return {
      reason: 'seLinuxOptions',
      detail: `${setters} set forbidden securityContext.seLinuxOptions: ${problems.join('; ')}`,
    };
  };

const sysctlsOf = {
  0: [
    'kernel.shm_rmid_forced',
    'net.ipv4.ip_local_port_range',
    'net.ipv4.tcp_syncookies',
    'net.ipv4.ping_group_range',
    'net.ipv4.ip_unprivileged_port_start',
  ],
  27: ['net.ipv4.ip_local_reserved_ports'],
  29: [
    'net.ipv4.tcp_keepalive_time',
    'net.ipv4.tcp_fin_timeout',
    'net.ipv4.tcp_keepalive_intvl',
    'net.ipv4.tcp_keepalive_probes',
  ],
  32: ['net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem'],
} as const;

/** Those that are allowed since then, and all before. */
const sysctls = (since: keyof typeof sysctlsOf): { since: number; check: CheckPod } => {
  const allowed = new Set<string>(Object.entries(sysctlsOf).flatMap(([minor, names]) => (Number(minor) <= since ? names : [])));
  const check: CheckPod = ({ spec }) => {
    const bad = (spec.securityContext?.sysctls ?? []).map(({ name }) => name).filter((name) => !allowed.has(name));
    return bad.length === 0 ? undefined : { reason: 'forbidden sysctls', detail: bad.join(', ') };
  };
  return { since, check };
};

const windowsHostProcess: CheckPod = (pod) => {
  const { ofPod, ofContainers } = fieldValues(pod, 'windowsOptions');
  const bad = ofContainers.filter(({ value }) => value.hostProcess === true).map(({ name }) => name);
  const setters = settersText(ofPod?.hostProcess === true, bad);
  if (setters === '') return undefined;
  return { reason: 'hostProcess', detail: `${setters} must not set securityContext.windowsOptions.hostProcess=true` };
};

const always = (id: string, check: CheckPod): Check => ({ id, level: 'baseline', versions: [{ since: 0, check }] });

/** The checks of the level, in the order of their texts. */
export const baselineChecks: readonly Check[] = [
  always('appArmorProfile', appArmor),
  always('capabilities_baseline', capabilities),
  always('hostNamespaces', hostNamespaces),
  always('hostPathVolumes', hostPaths),
  always('hostPorts', hostPorts),
  { id: 'hostProbesAndHostLifecycle', level: 'baseline', versions: [{ since: 34, check: hostProbes }] },
  always('privileged', privileged),
  {
    id: 'procMount',
    level: 'baseline',
    versions: [
      { since: 0, check: procMount },
      { since: 35, check: (pod) => (hasUserNamespace(pod) ? undefined : procMount(pod)) },
    ],
  },
  {
    id: 'seLinuxOptions',
    level: 'baseline',
    versions: [
      { since: 0, check: seLinux() },
      { since: 31, check: seLinux('container_engine_t') },
    ],
  },
  {
    id: 'seccompProfile_baseline',
    level: 'baseline',
    versions: [
      { since: 0, check: seccompAnnotations },
      { since: 19, check: seccompProfile },
    ],
  },
  { id: 'sysctls', level: 'baseline', versions: [sysctls(0), sysctls(27), sysctls(29), sysctls(32)] },
  always('windowsHostProcess', windowsHostProcess),
];
