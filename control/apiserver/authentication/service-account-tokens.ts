/**
 * The tokens of service accounts: signed JWTs. Those that a TokenRequest issues are bound to a pod, secret or node, and void once what
 * they are bound to is gone; those in secrets (`legacy-tokens.ts`) last as long as their secret.
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
  /** `--service-account-key-file`: PEM, one or several keys or certificates; a token is good with any of them. */
  publicKey: string;
}

/** How tokens are made, as the flags `--service-account-*` say. */
export interface TokenOptions extends TokenKeys {
  /** `--service-account-issuer`, the first one: whose name new tokens bear. */
  issuer: string;
  /** The further ones, whose tokens are still accepted. */
  otherIssuers?: readonly string[] | undefined;
  /** `--service-account-jwks-uri`: where others find the keys. Absent: on this server. */
  jwksUri?: string | undefined;
  /** `--api-audiences`; all issuers when not set. */
  audiences: readonly string[];
  /** `--service-account-max-token-expiration`, in seconds. Absent: any. */
  maxExpirationSeconds?: number | undefined;
  /** `--service-account-extend-token-expiration`: whether tokens that admission asked for are good for a year. Default true. */
  extendExpiration?: boolean | undefined;
}

/** An object that a token is bound to: it dies with it. */
export interface ObjectReference {
  name: string;
  uid: string;
}

/** What a token says of its bearer, under the claim `kubernetes.io`. */
export interface KubernetesClaims {
  namespace: string;
  serviceaccount: ObjectReference;
  pod?: ObjectReference;
  secret?: ObjectReference;
  node?: ObjectReference;
  warnafter?: number;
}

/** Reads a stored object, never older than an acknowledged write; undefined: there is none. */
export type ReadObject = (resource: ResourceId, namespace: string | undefined, name: string) => Promise<KubeObject | undefined>;

/** The issuer of the tokens in secrets. */
export const legacyIssuer = 'kubernetes/serviceaccount';

/** In milliseconds. Clocks differ: an object whose deletion began less than this long ago still counts (go-jose's leeway). */
const leewayMs = 60_000;

/** How many verified signatures are remembered, newest first; each holds up to 2 KiB of claims. */
const maxVerified = 4096;

/**
 * Issues and verifies the tokens of service accounts (RFC 7519; KEP-1205). @throws (its methods) Error when a token is not good
 */
export class ServiceAccountTokens {
  readonly options: TokenOptions;
  readonly #signingKey: TokenKey;
  readonly #keys: readonly TokenKey[];
  readonly #issuers: ReadonlySet<string>;
  readonly #read: ReadObject;
  readonly #clock: Clock;
  /**
   * The claims of tokens whose signature was good, by a hash of the token. (Upstream remembers for ten seconds that the token is valid; here
   * whatever else it depends on is looked at each time, as that is at hand.)
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

  /** The public keys, for other programs that verify tokens themselves. */
  publicJwks(): object[] {
    return this.#keys.map(publicJwk);
  }

  /** How tokens may be signed, sorted. */
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

  /** A token that lasts as long as the secret that holds it. @returns the signed token */
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
   * Whose bound token it is, and for which of the audiences. Undefined: another issuer's.
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
    // A pod's token only tells the node.
    if (claims.pod === undefined) await this.#checkBound('nodes', undefined, claims.node, 'node', 'service account node ref');
    return { user: userOf(claims, payload.jti), audiences: common };
  }

  /** The claims, if one of `issuers` says to have signed them, and has. Undefined: another issuer's. @throws AuthenticationError */
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

  /** Those that the token names, or all. @throws AuthenticationError for none */
  #keysOf({ kid = '' }: { kid?: string }): readonly TokenKey[] {
    const keys = kid === '' ? this.#keys : this.#keys.filter(({ id }) => id === kid);
    if (keys.length === 0) throw new AuthenticationError('invalid signature, no keys found');
    return keys;
  }

  /** Tries one key after the other. @throws JOSEError the last one's */
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

/** @returns those that the token is for and that are asked for @throws AuthenticationError for none */
export function checkAudiences(
  tokenAudiences: readonly string[],
  implicit: readonly string[],
  asked: readonly string[],
): readonly string[] {
  // A token without audiences is for the API server alone.
  const meant = tokenAudiences.length === 0 ? implicit : tokenAudiences;
  const common = commonAudiences(meant, asked);
  if (common.length > 0) return common;
  const quoted = (list: readonly string[]): string => `[${list.map((one) => JSON.stringify(one)).join(' ')}]`;
  throw new AuthenticationError(`token audiences ${quoted(meant)} is invalid for the target audiences ${quoted(asked)}`);
}

/** The user name of a service account. */
export const userName = (namespace: string, account: string): string => `system:serviceaccount:${namespace}:${account}`;

/** @throws AuthenticationError where they are not those of a token of ours */
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
    // The node was not there any more when its pod's token was issued.
    if (node.uid !== '') add('node-uid', node.uid);
  }
  const groups = serviceAccountGroups(namespace);
  return { name: userName(namespace, serviceaccount.name), uid: serviceaccount.uid, groups, extra };
}
