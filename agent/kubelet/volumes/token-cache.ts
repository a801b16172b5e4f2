/**
 * Service-account tokens bound to pods, from TokenRequest, renewed before they expire.
 *
 * Source: upstream `pkg/kubelet/token/token_manager.go` (80 % of the lifetime, at most 24 h, jitter of 10 s).
 */
import { errorText } from '#api/error-text.ts';
import type { Pod, TokenRequest } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';

/** The tokens of this node's pods. */
export interface ServiceAccountTokens {
  /**
   * A token that has at least a fifth of its lifetime left; a shorter one only while the API server cannot be reached.
   * @param audience the API server's own when undefined or empty
   * @throws Error `failed to fetch token: …`
   */
  token(pod: Pod, audience: string | undefined, expirationSeconds: number): Promise<string>;
  /** Drops the tokens of a pod that has ended. */
  forget(podUid: string): void;
}

interface Entry {
  token: string;
  refreshAtMs: number;
  expiresAtMs: number;
}

const maxAgeMs = 24 * 3_600_000;
const jitterMs = 10_000;

/** @param random from 0 to 1, for the jitter */
export function createServiceAccountTokens({
  client,
  clock,
  random,
}: {
  client: Client;
  clock: Clock;
  random: () => number;
}): ServiceAccountTokens {
  const entries = new Map<string, Entry>();

  async function request(pod: Pod, audience: string | undefined, expirationSeconds: number): Promise<Entry> {
    const answer: TokenRequest = await client.createToken(
      { namespace: pod.metadata.namespace, name: pod.spec.serviceAccountName ?? 'default' },
      {
        spec: {
          audiences: audience === undefined || audience === '' ? [] : [audience],
          expirationSeconds,
          boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod.metadata.name, uid: pod.metadata.uid },
        },
      },
    );
    const { token, expirationTimestamp } = answer.status ?? {};
    if (token === undefined || expirationTimestamp === undefined) throw new Error('the API server answered without a token');
    const expiresAtMs = Date.parse(expirationTimestamp);
    const lifetimeMs = expiresAtMs - clock.now();
    return { token, expiresAtMs, refreshAtMs: clock.now() + Math.min(lifetimeMs * 0.8, maxAgeMs) - random() * jitterMs };
  }

  return {
    async token(pod, audience, expirationSeconds) {
      const key = `${pod.metadata.uid}/${audience ?? ''}/${expirationSeconds}`;
      const known = entries.get(key);
      if (known !== undefined && clock.now() < known.refreshAtMs) return known.token;
      try {
        const fresh = await request(pod, audience, expirationSeconds);
        entries.set(key, fresh);
        return fresh.token;
      } catch (error) {
        // While the API server cannot be reached, a token that has not expired is still used.
        if (known !== undefined && clock.now() < known.expiresAtMs) return known.token;
        throw new Error(`failed to fetch token: ${errorText(error)}`, { cause: error });
      }
    },
    forget(podUid) {
      for (const key of entries.keys()) if (key.startsWith(`${podUid}/`)) entries.delete(key);
    },
  };
}
