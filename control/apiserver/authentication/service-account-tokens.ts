/**
 * The tokens of service accounts: signed JWTs. Those that a TokenRequest issues are bound to a pod, secret or node, and void once what
 * they are bound to is gone; those in secrets (`legacy-tokens.ts`) last as long as their secret.
 *
 * Source: kubernetes.io, Managing Service Accounts (bound tokens); kubernetes `pkg/serviceaccount/{claims,jwt}.go`.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, randomUUID } from 'node:crypto';
import { compactVerify, errors, type JWTPayload, SignJWT } from 'jose';
import type { KubeObject } from '#api/meta.ts';
import type { ResourceId } from '#api/resources.ts';
import { notFound } from '#api/status.ts';
import type { ResourceMeta } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import type { UserInfo } from '../registry/strategy.ts';
import { type Authenticated, AuthenticationError, commonAudiences, type TokenContext } from './authenticator.ts';
import { serviceAccountGroups } from './service-account-names.ts';
import { untrustedIssuer } from './untrusted-claims.ts';

/** The keys that sign and verify tokens. */
export interface TokenKeys {
  /** PEM, PKCS #8, RSA. */
  privateKey: string;
  /** PEM, SPKI. */
  publicKey: string;
}

/** How tokens are made, as the flags `--service-account-*` say. */
export interface TokenOptions extends TokenKeys {
  /** `--service-account-issuer`. */
  issuer: string;
  /** `--api-audiences`; the issuer when not set. */
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

/** As many signatures are remembered to be good, the newest ones; with 2 KiB of claims each. */
const maxVerified = 4096;

/**
 * Issues and verifies the tokens of service accounts (RFC 7519; KEP-1205). @throws (its methods) Error when a token is not good
 */
export class ServiceAccountTokens {
  readonly options: TokenOptions;
  readonly #privateKey: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #keyId: string;
  readonly #read: ReadObject;
  readonly #clock: Clock;
  /**
   * The claims of tokens whose signature was good, by a hash of the token. (Upstream remembers for ten seconds that the token is valid; here
   * whatever else it depends on is looked at each time, as that is at hand.)
   */
  readonly #verified = new Map<string, JWTPayload>();

  constructor(options: TokenOptions, clock: Clock, read: ReadObject) {
    this.options = options;
    this.#privateKey = createPrivateKey(options.privateKey);
    this.#publicKey = createPublicKey(options.publicKey);
    this.#keyId = keyId(this.#publicKey);
    this.#clock = clock;
    this.#read = read;
  }

  /** The public key, for other programs that verify tokens themselves. */
  publicJwk(): object {
    return { use: 'sig', kid: this.#keyId, alg: 'RS256', ...this.#publicKey.export({ format: 'jwk' }) };
  }

  /** @returns the signed token */
  async issue(claims: KubernetesClaims, audiences: readonly string[], lifetimeSeconds: number): Promise<string> {
    const now = Math.floor(this.#clock.now() / 1000);
    return await new SignJWT({ 'kubernetes.io': claims })
      .setProtectedHeader({ alg: 'RS256', kid: this.#keyId })
      .setAudience([...audiences])
      .setIssuer(this.options.issuer)
      .setSubject(userName(claims.namespace, claims.serviceaccount.name))
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + lifetimeSeconds)
      .setJti(randomUUID())
      .sign(this.#privateKey);
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
    return await new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', kid: this.#keyId })
      .setIssuer(legacyIssuer)
      .setSubject(userName(namespace, name))
      .sign(this.#privateKey);
  }

  /**
   * Whose bound token it is, and for which of the audiences. Undefined: another issuer's.
   * @throws AuthenticationError
   */
  async authenticateToken(token: string, { audiences }: TokenContext): Promise<Authenticated | undefined> {
    const payload = await this.verify(token, this.options.issuer);
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

  /** The claims, if `issuer` says to have signed them, and has. Undefined: another issuer's. @throws AuthenticationError */
  async verify(token: string, issuer: string): Promise<JWTPayload | undefined> {
    const hash = createHash('sha256').update(token).digest('base64');
    const known = this.#verified.get(hash);
    if (known !== undefined) return known.iss === issuer ? known : undefined;
    if (untrustedIssuer(token) !== issuer) return undefined;
    const payload = await this.#verifySignature(token);
    this.#verified.set(hash, payload);
    const [oldest = ''] = this.#verified.size > maxVerified ? this.#verified.keys() : [];
    this.#verified.delete(oldest);
    return payload;
  }

  async #verifySignature(token: string): Promise<JWTPayload> {
    try {
      const key = ({ kid }: { kid?: string | undefined }): KeyObject => {
        if (kid !== undefined && kid !== '' && kid !== this.#keyId)
          throw new AuthenticationError('invalid signature, no keys found');
        return this.#publicKey;
      };
      const { payload } = await compactVerify(token, key, { algorithms: ['RS256'] });
      return JSON.parse(Buffer.from(payload).toString('utf8')) as JWTPayload;
    } catch (error) {
      if (error instanceof errors.JOSEError) throw new AuthenticationError(error.message, { cause: error });
      throw error;
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

/** The key's identity in the token's header: the hash of its DER form, as kubernetes `pkg/serviceaccount/jwt.go`. */
function keyId(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
}
