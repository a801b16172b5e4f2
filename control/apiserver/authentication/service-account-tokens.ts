/**
 * The tokens of service accounts: signed JWTs. Tokens from a TokenRequest may be bound to a pod, Secret or node, and are invalid once that
 * object is deleted. Tokens in Secrets (`legacy-tokens.ts`) are valid as long as their Secret exists.
 *
 * Source: kubernetes.io, Managing Service Accounts (bound tokens); kubernetes `pkg/serviceaccount/{claims,jwt}.go`.
 */
import { createHash, randomUUID } from 'node:crypto';
import { compactVerify, decodeProtectedHeader, errors, type JWTPayload, SignJWT } from 'jose';
import type { KubeObject } from '#api/meta.ts';
import type { ResourceId } from '#api/resources.ts';
import { notFound } from '#api/status.ts';
import type { ResourceMeta } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import type { UserInfo } from '../registry/strategy.ts';
import { type Authenticated, AuthenticationError, commonAudiences, type TokenContext } from './authenticator.ts';
import { serviceAccountGroups } from './service-account-names.ts';
import { publicJwk, signingKey, type TokenKey, verificationKeys } from './token-keys.ts';
import { untrustedIssuer } from './untrusted-claims.ts';

/** The keys that sign and verify tokens. */
export interface TokenKeys {
  /** `--service-account-signing-key-file`: PEM, RSA or ECDSA. */
  privateKey: string;
  /** `--service-account-key-file`: PEM, one or several keys or certificates. A token may be signed by any of them. */
  publicKey: string;
}

/** The flags `--service-account-*`. */
export interface TokenOptions extends TokenKeys {
  /** The first `--service-account-issuer`: the issuer of new tokens. */
  issuer: string;
  /** The further issuers, whose tokens are still accepted. */
  otherIssuers?: readonly string[] | undefined;
  /** `--service-account-jwks-uri`: the URL of the public keys. Absent: this server's. */
  jwksUri?: string | undefined;
  /** `--api-audiences`. Default: the issuers. */
  audiences: readonly string[];
  /** `--service-account-max-token-expiration`, in seconds. Absent: no limit. */
  maxExpirationSeconds?: number | undefined;
  /** `--service-account-extend-token-expiration`: whether tokens for volumes that admission added are valid for a year. Default true. */
  extendExpiration?: boolean | undefined;
}

/** The object that a token is bound to. The token is invalid once it is deleted. */
export interface ObjectReference {
  name: string;
  uid: string;
}

/** The claim `kubernetes.io` of a token. */
export interface KubernetesClaims {
  namespace: string;
  serviceaccount: ObjectReference;
  pod?: ObjectReference;
  secret?: ObjectReference;
  node?: ObjectReference;
  warnafter?: number;
}

/** Reads a stored object, never older than an acknowledged write. Undefined if it does not exist. */
export type ReadObject = (resource: ResourceId, namespace: string | undefined, name: string) => Promise<KubeObject | undefined>;

/** The issuer of the tokens in secrets. */
export const legacyIssuer = 'kubernetes/serviceaccount';

/** In milliseconds. Because clocks differ, an object whose deletion began more recently than this still counts (go-jose's leeway). */
const leewayMs = 60_000;

/** How many verified tokens are remembered; each has up to 2 KiB of claims. */
const maxVerified = 4096;

/** Issues and verifies the tokens of service accounts (RFC 7519; KEP-1205). @throws (its methods) Error for an invalid token */
export class ServiceAccountTokens {
  readonly options: TokenOptions;
  readonly #signingKey: TokenKey;
  readonly #keys: readonly TokenKey[];
  readonly #issuers: ReadonlySet<string>;
  readonly #read: ReadObject;
  readonly #clock: Clock;
  /**
   * The claims of tokens with a verified signature, by a hash of the token. (Upstream caches for ten seconds that the token is valid. Here
   * everything but the signature is checked each time, because it is in memory.)
   */
  readonly #verified = new Map<string, JWTPayload>();

  constructor(options: TokenOptions, clock: Clock, read: ReadObject) {
    this.options = options;
    this.#signingKey = signingKey(options.privateKey);
    this.#keys = verificationKeys(options.publicKey);
    this.#issuers = new Set([options.issuer, ...(options.otherIssuers ?? [])]);
    this.#clock = clock;
    this.#read = read;
  }

  /** The public keys, for programs that verify tokens themselves. */
  publicJwks(): object[] {
    return this.#keys.map(publicJwk);
  }

  /** The signature algorithms of the keys, sorted. */
  get algorithms(): string[] {
    return [...new Set(this.#keys.map(({ algorithm }) => algorithm))].sort();
  }

  /** @returns the signed token */
  async issue(claims: KubernetesClaims, audiences: readonly string[], lifetimeSeconds: number): Promise<string> {
    const now = Math.floor(this.#clock.now() / 1000);
    const { key, algorithm, id } = this.#signingKey;
    return await new SignJWT({ 'kubernetes.io': claims })
      .setProtectedHeader({ alg: algorithm, kid: id })
      .setAudience([...audiences])
      .setIssuer(this.options.issuer)
      .setSubject(userName(claims.namespace, claims.serviceaccount.name))
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + lifetimeSeconds)
      .setJti(randomUUID())
      .sign(key);
  }

  /** A token that is valid as long as the Secret that contains it exists. @returns the signed token */
  async issueForSecret(account: ResourceMeta, secret: ResourceMeta): Promise<string> {
    const { namespace = '', name, uid } = account;
    const claims = {
      'kubernetes.io/serviceaccount/namespace': namespace,
      'kubernetes.io/serviceaccount/secret.name': secret.name,
      'kubernetes.io/serviceaccount/service-account.name': name,
      'kubernetes.io/serviceaccount/service-account.uid': uid,
    };
    const { key, algorithm, id } = this.#signingKey;
    return await new SignJWT(claims)
      .setProtectedHeader({ alg: algorithm, kid: id })
      .setIssuer(legacyIssuer)
      .setSubject(userName(namespace, name))
      .sign(key);
  }

  /**
   * Authenticates a bound token for the audiences. Undefined: it is of another issuer.
   * @throws AuthenticationError
   */
  async authenticateToken(token: string, { audiences }: TokenContext): Promise<Authenticated | undefined> {
    const payload = await this.verify(token, this.#issuers);
    if (payload === undefined) return undefined;
    const { aud = [] } = payload;
    const common = checkAudiences(typeof aud === 'string' ? [aud] : aud, this.options.audiences, audiences);
    this.#checkTimes(payload);
    const claims = claimsOf(payload['kubernetes.io']);
    await this.#checkAccount(claims);
    await this.#checkBound('secrets', claims.namespace, claims.secret, 'secret', 'service account secret ref');
    await this.#checkBound('pods', claims.namespace, claims.pod, 'pod', 'service account pod ref');
    // In a pod's token the node is only information.
    if (claims.pod === undefined) await this.#checkBound('nodes', undefined, claims.node, 'node', 'service account node ref');
    return { user: userOf(claims, payload.jti), audiences: common };
  }

  /** The verified claims of a token of one of `issuers`. Undefined: it is of another issuer. @throws AuthenticationError */
  async verify(token: string, issuers: ReadonlySet<string>): Promise<JWTPayload | undefined> {
    const hash = createHash('sha256').update(token).digest('base64');
    const known = this.#verified.get(hash);
    if (known !== undefined) return issuers.has(known.iss ?? '') ? known : undefined;
    if (!issuers.has(untrustedIssuer(token) ?? '')) return undefined;
    const payload = await this.#verifySignature(token);
    this.#verified.set(hash, payload);
    const [oldest = ''] = this.#verified.size > maxVerified ? this.#verified.keys() : [];
    this.#verified.delete(oldest);
    return payload;
  }

  async #verifySignature(token: string): Promise<JWTPayload> {
    try {
      return await this.#payloadOf(token, this.#keysOf(decodeProtectedHeader(token)));
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof TypeError)
        throw new AuthenticationError(error.message, { cause: error });
      throw error;
    }
  }

  /** The keys that the token names, or all. @throws AuthenticationError if there are none */
  #keysOf({ kid = '' }: { kid?: string }): readonly TokenKey[] {
    const keys = kid === '' ? this.#keys : this.#keys.filter(({ id }) => id === kid);
    if (keys.length === 0) throw new AuthenticationError('invalid signature, no keys found');
    return keys;
  }

  /** Tries one key after the other. @throws JOSEError of the last one */
  async #payloadOf(token: string, [first, ...others]: readonly TokenKey[]): Promise<JWTPayload> {
    const { key, algorithm } = first as TokenKey;
    try {
      const { payload } = await compactVerify(token, key, { algorithms: [algorithm] });
      return JSON.parse(Buffer.from(payload).toString('utf8')) as JWTPayload;
    } catch (error) {
      if (others.length === 0) throw error;
      return await this.#payloadOf(token, others);
    }
  }

  #checkTimes({ exp, nbf, iat }: JWTPayload): void {
    const nowMs = this.#clock.now();
    const fail = (why: string): never => {
      throw new AuthenticationError(`service account token ${why}`);
    };
    if (nbf !== undefined && nowMs + leewayMs < nbf * 1000) fail('is not valid yet');
    if (exp !== undefined && nowMs - leewayMs > exp * 1000) fail('has expired');
    if (iat !== undefined && nowMs + leewayMs < iat * 1000) fail('is issued in the future');
  }

  async #checkAccount({ namespace, serviceaccount: { name, uid } }: KubernetesClaims): Promise<void> {
    const account = await this.#read('serviceaccounts', namespace, name);
    if (account === undefined) throw new AuthenticationError(notFound({ group: '', name: 'serviceaccounts' }, name).message);
    if (account.metadata.uid !== uid)
      throw new AuthenticationError(`service account UID (${account.metadata.uid}) does not match claim (${uid})`);
    if (this.#isDeleted(account)) throw new AuthenticationError(`service account ${namespace}/${name} has been deleted`);
  }

  async #checkBound(
    resource: ResourceId,
    namespace: string | undefined,
    reference: ObjectReference | undefined,
    what: string,
    claim: string,
  ): Promise<void> {
    if (reference === undefined) return;
    const object = await this.#read(resource, namespace, reference.name);
    if (object !== undefined && object.metadata.uid !== reference.uid)
      throw new AuthenticationError(`${what} UID (${object.metadata.uid}) does not match ${claim} claim (${reference.uid})`);
    if (object === undefined || this.#isDeleted(object))
      throw new AuthenticationError('service account token has been invalidated');
  }

  #isDeleted({ metadata: { deletionTimestamp } }: KubeObject): boolean {
    return deletionTimestamp !== undefined && Date.parse(deletionTimestamp) < this.#clock.now() - leewayMs;
  }
}

/** @returns the requested audiences that the token is for @throws AuthenticationError for none */
export function checkAudiences(
  tokenAudiences: readonly string[],
  implicit: readonly string[],
  asked: readonly string[],
): readonly string[] {
  // A token without audiences is valid for the API server only.
  const meant = tokenAudiences.length === 0 ? implicit : tokenAudiences;
  const common = commonAudiences(meant, asked);
  if (common.length > 0) return common;
  const quoted = (list: readonly string[]): string => `[${list.map((one) => JSON.stringify(one)).join(' ')}]`;
  throw new AuthenticationError(`token audiences ${quoted(meant)} is invalid for the target audiences ${quoted(asked)}`);
}

/** The user name of a service account. */
export const userName = (namespace: string, account: string): string => `system:serviceaccount:${namespace}:${account}`;

/** @throws AuthenticationError if they are not those of a token that this server issues */
function claimsOf(value: unknown): KubernetesClaims {
  const claims = value as Partial<KubernetesClaims> | undefined | null;
  if (typeof claims?.namespace !== 'string' || typeof claims.serviceaccount?.name !== 'string')
    throw new AuthenticationError('service account token has no claims of a service account');
  return claims as KubernetesClaims;
}

function userOf({ namespace, serviceaccount, pod, node }: KubernetesClaims, jti: string | undefined): UserInfo {
  const extra: Record<string, readonly string[]> = {};
  const add = (key: string, value: string): void => {
    extra[`authentication.kubernetes.io/${key}`] = [value];
  };
  if (jti !== undefined && jti !== '') add('credential-id', `JTI=${jti}`);
  if (pod !== undefined) {
    add('pod-name', pod.name);
    add('pod-uid', pod.uid);
  }
  if (node !== undefined) {
    add('node-name', node.name);
    // The node did not exist any more when the token was issued.
    if (node.uid !== '') add('node-uid', node.uid);
  }
  const groups = serviceAccountGroups(namespace);
  return { name: userName(namespace, serviceaccount.name), uid: serviceaccount.uid, groups, extra };
}
