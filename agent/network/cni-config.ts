/** The CNI configuration by which the container runtime connects pods. Pure; {@link writeCniConfig} puts it in place. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere, readSmallFile, replaceFile } from '#agent/host/safe-open.ts';
import { familyOf } from '#api/ip.ts';

export interface CniOptions {
  /** The node's share of the pod network: `spec.podCIDRs`. */
  podCidrs: readonly string[];
  /** The bridge that joins the node's pods. */
  bridgeName: string;
  /** Where host-local notes which address is whose; on disk, for it must survive the agent, not a reboot. */
  cniStateDir: string;
  /** Absent: the kernel's default for the bridge. */
  mtu?: number | undefined;
}

const maxConfigBytes = 2 ** 20;

/** Sorted first by containerd, which takes the first file of the directory. */
export const cniConfFile = '10-tinkernetes.conflist';

/** The standard plugins that {@link cniConfList} names, and `loopback`, which the runtime itself calls. */
export const cniPlugins = ['bridge', 'host-local', 'portmap', 'loopback'] as const;

/**
 * A network list for the standard plugins (1.0 and later): a bridge with the gateway's address, hairpin so that a pod
 * reaches itself through its Service, addresses by host-local, hostPorts by portmap. No masquerading here: the bridge
 * plugin would also hide the source of traffic between nodes (see masquerade.ts).
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
        // A node that was given other addresses than before: its bridge follows, or no pod would start any more.
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
    ],
  };
}

/** Replaces the file as a whole, so that the runtime never reads half of it. @returns whether it had to be changed */
export async function writeCniConfig(directory: string, config: object): Promise<boolean> {
  const path = join(directory, cniConfFile);
  const text = `${JSON.stringify(config, undefined, 2)}\n`;
  if ((await ifThere(readSmallFile(path, maxConfigBytes))) === text) return false;
  await mkdir(directory, { recursive: true });
  // By way of a name that ends in `.new`: the runtime loads .conf, .conflist and .json.
  await replaceFile(path, text, 0o644);
  return true;
}

export async function removeCniConfig(directory: string): Promise<void> {
  await rm(join(directory, cniConfFile), { force: true });
}
