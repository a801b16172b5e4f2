/**
 * Bootstrap tokens: `<id>.<secret>`, each in a Secret `bootstrap-token-<id>` of kube-system. What API server and controllers both read of
 * them.
 *
 * Source: kubernetes.io, Authenticating with bootstrap tokens; `k8s.io/cluster-bootstrap/{token,util/secrets}`.
 */
import { canonicalTime, TimeError } from './time.ts';
import type { Secret } from './types.generated.ts';

/** The `type` of a Secret that holds a bootstrap token. Source: kubernetes.io, Authenticating with Bootstrap Tokens. */
export const bootstrapTokenType = 'bootstrap.kubernetes.io/token';
/** The only namespace in which bootstrap tokens count. */
export const bootstrapTokenNamespace = 'kube-system';
/** The name of the Secret begins with it; the token's id follows. */
export const bootstrapTokenPrefix = 'bootstrap-token-';

/** The token's two parts. Undefined: it is no bootstrap token. */
export function parseBootstrapToken(token: string): { id: string; secret: string } | undefined {
  const [, id, secret] = /^([a-z0-9]{6})\.([a-z0-9]{16})$/.exec(token) ?? [];
  return id === undefined || secret === undefined ? undefined : { id, secret };
}

/** A value of the Secret, decoded; '' where it is absent. */
export function bootstrapValue({ data }: Pick<Secret, 'data'>, key: string): string {
  return Buffer.from(data?.[key] ?? '', 'base64').toString('utf8');
}

/** When the token ends, in milliseconds. Undefined: never. A time that cannot be read: at once. */
export function bootstrapExpirationMs(secret: Pick<Secret, 'data'>): number | undefined {
  const text = bootstrapValue(secret, 'expiration');
  if (text === '') return undefined;
  try {
    return Date.parse(canonicalTime(text));
  } catch (error) {
    if (error instanceof TimeError) return -Infinity;
    throw error;
  }
}

/** Whether the token has ended. */
export const isBootstrapTokenExpired = (secret: Pick<Secret, 'data'>, nowMs: number): boolean =>
  (bootstrapExpirationMs(secret) ?? Infinity) <= nowMs;

const defaultGroup = 'system:bootstrappers';
/** The group of tokens with which nodes join, as kubeadm sets it. */
export const defaultNodeTokenGroup = 'system:bootstrappers:kubeadm:default-node-token';
/** `[a-z0-9:-]{0,255}[a-z0-9]`: a whole group of a bootstrap token. */
export const groupPattern = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

/** The groups of whoever shows the token, sorted. Undefined: one of them may not be. */
export function bootstrapGroups(secret: Pick<Secret, 'data'>): string[] | undefined {
  const extra = bootstrapValue(secret, 'auth-extra-groups');
  const groups = extra === '' ? [] : extra.split(',');
  if (!groups.every((group) => groupPattern.test(group))) return undefined;
  return [...new Set([defaultGroup, ...groups])].sort();
}
