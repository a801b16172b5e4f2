/** What a lab is: a name, addresses and folders, and everything that is derived from them. */
import { join } from 'node:path';

export type LabRuntime = 'containerd' | 'docker';

export interface LabOptions {
  /** Prefix of every namespace, link, cgroup and process folder. At most 8 characters: link names are limited to 15. */
  name: string;
  workers: number;
  runtime: LabRuntime;
  /** The hosts' network: `10.200.0.0/24`. `.1` is the bridge, where control plane and registry listen; workers start at `.11`. */
  subnet: string;
  clusterCidr: string;
  serviceCidr: string;
  dataDir: string;
  /** Passed on to `tinker server`, e.g. `--node-monitor-grace-period=5s` for a quick failure drill. */
  serverArgs?: readonly string[] | undefined;
  /** Passed on to every `tinker agent`. */
  agentArgs?: readonly string[] | undefined;
}

export interface Worker {
  name: string;
  /** The network namespace, `/run/netns/<netns>`. */
  netns: string;
  /** The end of the veth pair on the host, in the bridge. */
  hostLink: string;
  ip: string;
  dataDir: string;
  /** Sockets and mounts; short, because a socket's path is limited to 107 bytes. */
  stateDir: string;
  cgroup: string;
}

export interface Lab extends LabOptions {
  bridge: string;
  prefixLength: number;
  hostIp: string;
  apiServer: string;
  registry: string;
  /** The 10th address of the service CIDR, as kubeadm's. */
  clusterDns: string;
  stateDir: string;
  logDir: string;
  kubeconfig: string;
  cgroup: string;
  hosts: readonly Worker[];
}

export const defaultLab: LabOptions = {
  name: 'tinker',
  workers: 2,
  runtime: 'containerd',
  subnet: '10.200.0.0/24',
  clusterCidr: '10.244.0.0/16',
  serviceCidr: '10.96.0.0/16',
  dataDir: '/var/lib/tinkernetes/lab',
};

/** @throws Error that says which option is wrong, and what it takes */
export function planLab(options: LabOptions): Lab {
  if (!/^[a-z][a-z0-9]{0,7}$/.test(options.name))
    throw new Error(`--name ${options.name}: 1 to 8 lower-case letters and digits, a letter first`);
  if (!Number.isInteger(options.workers) || options.workers < 1 || options.workers > 9)
    throw new Error(`--workers ${options.workers}: a number from 1 to 9`);
  if (!options.dataDir.startsWith('/')) throw new Error(`--data-dir ${options.dataDir}: an absolute path`);
  const { base, length } = parseSubnet('--subnet', options.subnet, 24);
  parseSubnet('--cluster-cidr', options.clusterCidr, 20);
  const services = parseSubnet('--service-cidr', options.serviceCidr, 24);
  const stateDir = join('/run/tinkernetes', options.name);
  const hostIp = addressAt(base, 1);
  const hosts = Array.from({ length: options.workers }, (_, index): Worker => {
    const name = `worker-${index + 1}`;
    return {
      name,
      netns: `${options.name}-${name}`,
      hostLink: `${options.name}-w${index + 1}`,
      ip: addressAt(base, 11 + index),
      dataDir: join(options.dataDir, name),
      stateDir: join(stateDir, name),
      cgroup: `/${options.name}/${name}`,
    };
  });
  return {
    ...options,
    bridge: `${options.name}0`,
    prefixLength: length,
    hostIp,
    apiServer: `https://${hostIp}:6443`,
    registry: `http://${hostIp}:5000`,
    clusterDns: addressAt(services.base, 10),
    stateDir,
    logDir: join(options.dataDir, 'log'),
    kubeconfig: join(options.dataDir, 'admin.conf'),
    cgroup: `/${options.name}`,
    hosts,
  };
}

function parseSubnet(option: string, text: string, longest: number): { base: number; length: number } {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text);
  const bytes = match?.slice(1, 5).map(Number) ?? [];
  const length = Number(match?.[5]);
  if (match === null || bytes.some((byte) => byte > 255) || length < 8 || length > longest) {
    throw new Error(`${option} ${text}: an IPv4 network such as 10.200.0.0/24, /8 to /${longest}`);
  }
  const address = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  return { base: address - (address % 2 ** (32 - length)), length };
}

function addressAt(base: number, offset: number): string {
  const address = base + offset;
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}
