/** What a machine of the lab is made from. `up` writes it, and the machine's first process reads it. */
import { join } from 'node:path';

/** One machine. */
export interface MachineSpec {
  /** Its host name. */
  name: string;
  /** Its network namespace, under /run/netns. */
  netns: string;
  /** Its control group: the root of all that it sees. */
  cgroup: string;
  /** The folder that holds its own files: `<root>/etc/hosts` is its /etc/hosts. */
  root: string;
  /** Files and folders of the real machine, and where the machine has them, read-only. */
  shared: readonly { from: string; to: string }[];
  /** The environment of its services and shells. */
  env: Readonly<Record<string, string>>;
}

/** Where a path of the machine lies on the real machine. */
export const outside = ({ root }: Pick<MachineSpec, 'root'>, path: string): string => join(root, path);

/** Folders that are the machine's alone. The last one hides the folder of the lab, where the others come from. */
export const ownFolders: readonly string[] = [
  '/etc/kubernetes',
  '/etc/systemd/system',
  '/etc/cni',
  '/etc/containerd',
  '/opt',
  '/tmp',
  '/var',
];

/** Folders in which the machine's own files lie over those of the real machine. */
export const layeredFolders: readonly string[] = ['/etc', '/usr/local/bin'];

/** Where the output of its services goes. */
export const serviceLogs = '/var/log/services';

/** Its programs. */
export const programFolder = '/opt/tinkernetes';

/** Made when the services have been started. */
export const upMark = '/var/lib/machine-is-up';
