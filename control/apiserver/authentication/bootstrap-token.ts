/**
 * `--enable-bootstrap-token-auth`: a machine that joins the cluster authenticates with a token that is stored in a Secret in kube-system.
 *
 * Source: kubernetes `plugin/pkg/auth/authenticator/token/bootstrap`; kubernetes.io, Authenticating with bootstrap tokens.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import {
  bootstrapGroups,
  bootstrapTokenNamespace,
  bootstrapTokenPrefix,
  bootstrapTokenType,
  bootstrapValue,
  isBootstrapTokenExpired,
  parseBootstrapToken,
} from '#api/bootstrap-token.ts';
import type { Secret } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import type { ServerLog } from '../serving/server-log.ts';
import type { TokenAuthenticator } from './authenticator.ts';
import type { ReadObject } from './service-account-tokens.ts';

/** Authenticates the user `system:bootstrap:<id>` by a token. If the token is not usable, it is refused and the reason is logged. */
export function bootstrapTokens({ clock, log, read }: { clock: Clock; log: ServerLog; read: ReadObject }): TokenAuthenticator {
  return {
    async authenticateToken(token) {
      const parsed = parseBootstrapToken(token);
      if (parsed === undefined) return undefined;
      const name = `${bootstrapTokenPrefix}${parsed.id}`;
      const secret = (await read('secrets', bootstrapTokenNamespace, name)) as Secret | undefined;
      if (secret === undefined) return undefined;
      const problem = problemOf(secret, parsed, clock.now());
      const groups = bootstrapGroups(secret);
      if (problem !== undefined || groups === undefined) {
        const reason = problem ?? 'has invalid value for key auth-extra-groups.';
        log.debug({ secret: name, reason }, 'a secret that matches a bootstrap token is not accepted');
        return undefined;
      }
      return { user: { name: `system:bootstrap:${parsed.id}`, groups, extra: {} } };
    },
  };
}

function problemOf(secret: Secret, token: { id: string; secret: string }, nowMs: number): string | undefined {
  if (secret.metadata.deletionTimestamp !== undefined) return 'is deleted and awaiting removal';
  if (secret.type !== bootstrapTokenType || secret.data === undefined) return `has invalid type, expected ${bootstrapTokenType}.`;
  if (!isSame(bootstrapValue(secret, 'token-secret'), token.secret)) return 'has invalid value for key token-secret.';
  if (bootstrapValue(secret, 'token-id') !== token.id) return 'has invalid value for key token-id.';
  if (isBootstrapTokenExpired(secret, nowMs)) return 'has expired';
  if (bootstrapValue(secret, 'usage-bootstrap-authentication') !== 'true')
    return 'not marked usage-bootstrap-authentication=true.';
  return undefined;
}

/** Compares in constant time, so that the duration reveals nothing about the token. (Both hashes have the same length.) */
function isSame(a: string, b: string): boolean {
  const [first, second] = [a, b].map((text) => createHash('sha256').update(text).digest()) as [Buffer, Buffer];
  return timingSafeEqual(first, second);
}
