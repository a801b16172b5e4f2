/** How manifests become pods. The API server's own defaults and rules apply; the kubelet is given them. */
import type { Pod } from '#api/types.generated.ts';

/** Reads a pod's manifest. */
export interface PodManifests {
  /**
   * The pod of a manifest in YAML or JSON.
   * @param where the manifest's file or URL, for messages
   * @param identify gives the decoded pod, which has all defaults, its name and UID
   * @throws Error with upstream's words for what is no pod, breaks the API's rules, or needs other objects of the API
   */
  read(manifest: Uint8Array, where: string, identify: (pod: Pod) => Pod): Pod;
  /** The pods of a manifest that is one pod or a list of pods. @throws Error as {@link read}; then none of them can be used */
  readAll(manifest: Uint8Array, where: string, identify: (pod: Pod) => Pod): Pod[];
}

/** Upstream's limit. */
export const maxManifestBytes = 10 * 2 ** 20;
