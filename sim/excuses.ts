/** Pods whose create request succeeded but whose answer was lost. Their controller may create them again, as upstream's controllers do. */
import type { TransportRequest } from '#client/transport.ts';

const decoder = new TextDecoder();

/** Counts the lost answers of each owner. */
export class Excuses {
  readonly #lost = new Map<string, number>();

  lost({ method, path, body }: TransportRequest): void {
    if (method !== 'POST' || !/\/pods(\?|$)/.test(path) || body === undefined) return;
    const pod = JSON.parse(decoder.decode(body)) as { metadata?: { ownerReferences?: { uid: string; controller?: boolean }[] } };
    for (const { uid } of pod.metadata?.ownerReferences ?? []) this.#lost.set(uid, this.of(uid) + 1);
  }

  of(ownerUid: string): number {
    return this.#lost.get(ownerUid) ?? 0;
  }
}
