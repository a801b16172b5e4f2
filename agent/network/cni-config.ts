/**
 * Builds the CNI configuration with which the container runtime connects pods. Pure; {@link writeCniConfig} writes it to disk.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere, readSmallFile, replaceFile } from '#agent/host/safe-open.ts';
import { familyOf } from '#api/ip.ts';

/** What the CNI configuration depends on. */
export interface CniOptions {
  /** The node's part of the pod network: its `spec.podCIDRs`. */
  podCidrs: readonly string[];
  /** Name of the bridge that connects the node's pods. */
  bridgeName: string;
  /**
   * The directory in which host-local stores which pod has which address. It is on disk, because the addresses must stay taken
   * when the agent restarts; after a reboot they are free.
   */
  cniStateDir: string;
  /** Largest packet of pod interfaces, in bytes. Absent: the kernel's default for the bridge. */
  mtu?: number | undefined;
}

const maxConfigBytes = 2 ** 20;

/**
 * Name of the file. containerd uses the first file of the directory in alphabetical order, so the name begins with a low number.
 */
export const cniConfFile = '10-tinkernetes.conflist';

/** The standard plugins that {@link cniConfList} names, and `loopback`, which the runtime calls without being told. */
export const cniPlugins = ['bridge', 'host-local', 'portmap', 'bandwidth', 'loopback'] as const;

/**
 * A network list for the standard plugins (1.0 and later). The bridge has the gateway's address and hairpin mode, so that a pod
 * reaches itself through its Service. host-local assigns addresses, portmap serves hostPorts, and bandwidth limits the pods that ask for it. The bridge plugin does not
 * masquerade, because it would also hide the source of traffic between nodes (masquerade.ts does it instead). Pure.
 * Source: cni.dev, specification 1.0.0 and the plugins' reference.
 */
export function cniConfList({ podCidrs, bridgeName, cniStateDir, mtu }: CniOptions): object {
  const defaultRoute = (cidr: string): { dst: string } => ({ dst: familyOf(cidr) === 'IPv6' ? '::/0' : '0.0.0.0/0' });
  return {
    cniVersion: '1.0.0',
    name: 'tinkernetes',
    plugins: [
      {
        type: 'bridge',
        bridge: bridgeName,
        isGateway: true,
        // When the node gets another pod CIDR, the bridge must take the new gateway address. Otherwise no further pod could
        // start.
        forceAddress: true,
        ipMasq: false,
        hairpinMode: true,
        ...(mtu === undefined ? {} : { mtu }),
        ipam: {
          type: 'host-local',
          dataDir: cniStateDir,
          ranges: podCidrs.map((subnet) => [{ subnet }]),
          routes: podCidrs.map(defaultRoute),
        },
      },
      { type: 'portmap', capabilities: { portMappings: true }, snat: true },
      // The annotations kubernetes.io/ingress-bandwidth and kubernetes.io/egress-bandwidth, which the runtime hands over.
      { type: 'bandwidth', capabilities: { bandwidth: true } },
    ],
  };
}

/**
 * Replaces the configuration file atomically, so that the runtime never reads half of it. @returns whether the file had to be
 * changed
 */
export async function writeCniConfig(directory: string, config: object): Promise<boolean> {
  const path = join(directory, cniConfFile);
  const text = `${JSON.stringify(config, undefined, 2)}\n`;
  if ((await ifThere(readSmallFile(path, maxConfigBytes))) === text) return false;
  await mkdir(directory, { recursive: true });
  // The temporary name ends in `.new`: the runtime loads .conf, .conflist and .json.
  await replaceFile(path, text, 0o644);
  return true;
}

/** Removes the configuration file. An absent file is success. */
export async function removeCniConfig(directory: string): Promise<void> {
  await rm(join(directory, cniConfFile), { force: true });
}
