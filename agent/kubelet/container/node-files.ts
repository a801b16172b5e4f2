/** The node's own files that pods' files are made from: /etc/hosts and resolv.conf. */
import { basename, dirname } from 'node:path';
import { openFolder, readSmallFile, writeFileIn } from '#agent/host/safe-open.ts';
import type { Pod } from '#api/types.generated.ts';
import type { Paths } from '../paths.ts';
import { parseResolvConf, type ResolvConf } from './dns.ts';
import { hostNetworkHostsFile, podHostname, podHostsFile } from './hostname.ts';

/** Reads the node's files, and writes those of pods. */
export interface NodeFiles {
  /** Reads the node's current resolv.conf. @throws Error when it cannot be read, or has more than 64 MiB */
  readHostResolvConf(): Promise<ResolvConf>;
  /**
   * Writes a pod's /etc/hosts.
   * @param podIps the pod's addresses; a pod on the node's network has none of its own
   * @returns the file's path on the node
   * @throws Error when it cannot be written, or the pod's host name is too long
   */
  writeHostsFile(pod: Pod, podIps: readonly string[]): Promise<string>;
}

/** Generous, because some hosts files block a million names. */
const maxFileBytes = 64 * 2 ** 20;

/**
 * Node files by the kubelet's options.
 * @param options as the kubelet's: the path of the node's resolv.conf, and the cluster's domain
 */
export function createNodeFiles(paths: Paths, options: { resolvConf: string; clusterDomain: string }): NodeFiles {
  return {
    readHostResolvConf: async () => parseResolvConf(await readSmallFile(options.resolvConf, maxFileBytes)),
    async writeHostsFile(pod, podIps) {
      const file = paths.etcHosts(pod.metadata.uid);
      const text =
        pod.spec.hostNetwork === true
          ? hostNetworkHostsFile(pod, await readSmallFile('/etc/hosts', maxFileBytes))
          : podHostsFile(pod, podHostname(pod, options.clusterDomain), podIps);
      await using folder = await openFolder(paths.podsDir, dirname(file));
      await writeFileIn(folder, basename(file), text, 0o644);
      return file;
    },
  };
}
