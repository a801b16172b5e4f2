/**
 * The pods as policies see them: those of the API, and of this node's pods the addresses that their sandboxes have got, which the API
 * learns later.
 */
import { mirrorAnnotation } from '#api/pod/annotations.ts';
import type { Pod } from '#api/types.generated.ts';
import type { Cache } from '#client/informer.ts';
import { type PolicyPod, policyPod } from './policy-pod.ts';

interface Admitted {
  pod: Pod;
  ips: readonly string[];
  atMs: number;
}

/** How long a pod may be missing in the API before its sandbox's addresses are forgotten. */
const forgetAfterMs = 600_000;

/** Pods as policies see them: API pods, plus sandbox addresses the API does not show yet. */
export class PodSource {
  readonly #cache: Cache<Pod>;
  readonly #admitted = new Map<string, Admitted>();

  constructor(cache: Cache<Pod>) {
    this.#cache = cache;
  }

  /** The pod's sandbox has these addresses. @returns the pod's key */
  admit(pod: Pod, ips: readonly string[], nowMs: number): string {
    const key = `${pod.metadata.namespace ?? ''}/${pod.metadata.name}`;
    this.#admitted.set(key, { pod, ips, atMs: nowMs });
    return key;
  }

  /** 0: the addresses are its sandbox's. 1: they are from its status, which may be old. */
  rank(key: string): number {
    return this.#admitted.has(key) ? 0 : 1;
  }

  /** Told that the API has this pod no more. */
  deleted({ metadata }: Pod): void {
    const key = `${metadata.namespace ?? ''}/${metadata.name}`;
    if (this.#admitted.get(key)?.pod.metadata.uid === metadata.uid) this.#admitted.delete(key);
  }

  /** @returns undefined: there is no such pod @throws Error when it cannot be read */
  pod(key: string): PolicyPod | undefined {
    const known = this.#cache.get(key);
    const admitted = this.#admitted.get(key);
    if (admitted === undefined) return known === undefined ? undefined : policyPod(known);
    // A static pod has another UID in the API than on its node. A pod that has replaced one of the same name comes later in the API.
    return policyPod(known !== undefined && isSamePod(known, admitted.pod) ? known : admitted.pod, admitted.ips);
  }

  /** Forgets the sandboxes of pods that never came, or did not stay, in the API. @returns their keys */
  forget(nowMs: number): string[] {
    const gone = [...this.#admitted].filter(
      ([key, { atMs }]) => nowMs - atMs > forgetAfterMs && this.#cache.get(key) === undefined,
    );
    for (const [key] of gone) this.#admitted.delete(key);
    return gone.map(([key]) => key);
  }
}

const isSamePod = (known: Pod, own: Pod): boolean =>
  known.metadata.uid === own.metadata.uid || known.metadata.annotations?.[mirrorAnnotation] !== undefined;
