/**
 * Service-account tokens: signed JWTs, bound to a pod, secret or node, and void once what they are bound to is gone.
 *
 * Source: kubernetes.io, Managing Service Accounts (bound tokens); kubernetes `pkg/serviceaccount/claims.go`.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, randomUUID } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import type { KubeObject } from '#api/meta.ts';
import type { ResourceId } from '#api/resources.ts';
import type { Clock } from '#client/clock.ts';
import type { UserInfo } from '../registry/strategy.ts';
import { serviceAccountGroups } from './impersonation.ts';

export interface TokenKeys {
  /** PEM, PKCS #8, RSA. */
  privateKey: string;
  /** PEM, SPKI. */
  publicKey: string;
}

export interface TokenOptions extends TokenKeys {
  issuer: string;
  /** `--api-audiences`; the issuer when not set. */
  audiences: readonly string[];
}

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

export type ReadObject = (resource: ResourceId, namespace: string | undefined, name: string) => Promise<KubeObject | undefined>;

/** The token is not valid. The message says why, without anything secret. */
export class TokenError extends Error {
  override name = 'TokenError';
}

/** In milliseconds. An object whose deletion began less than this long ago still counts, because clocks differ (go-jose's leeway). */
const leewayMs = 60_000;

export class ServiceAccountTokens {
  readonly options: TokenOptions;
  readonly #privateKey: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #keyId: string;
  readonly #read: ReadObject;
  readonly #clock: Clock;

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
      .setSubject(userName(claims))
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + lifetimeSeconds)
      .setJti(randomUUID())
      .sign(this.#privateKey);
  }

  /**
   * Whose token it is, and for which of `audiences`.
   * @throws TokenError
   */
  async authenticate(
    token: string,
    audiences: readonly string[] = this.options.audiences,
  ): Promise<{ user: UserInfo; audiences: string[] }> {
    const { claims, jti, tokenAudiences } = await this.#verify(token);
    const common = tokenAudiences.filter((audience) => audiences.includes(audience));
    if (common.length === 0) {
      throw new TokenError(
        `token audiences ${JSON.stringify(tokenAudiences)} is invalid for the target audiences ${JSON.stringify(audiences)}`,
      );
    }
    const account = await this.#present('serviceaccounts', claims.namespace, claims.serviceaccount, 'service account');
    for (const [resource, reference] of [
      ['secrets', claims.secret],
      ['pods', claims.pod],
    ] as const) {
      if (reference !== undefined) await this.#present(resource, claims.namespace, reference, resource);
    }
    if (claims.node !== undefined && claims.pod === undefined) await this.#present('nodes', undefined, claims.node, 'nodes');
    return { user: userOf(claims, account.metadata.uid, jti), audiences: common };
  }

  async #verify(token: string): Promise<{ claims: KubernetesClaims; jti: string | undefined; tokenAudiences: string[] }> {
    try {
      const currentDate = new Date(this.#clock.now());
      const { payload } = await jwtVerify(token, this.#publicKey, {
        algorithms: ['RS256'],
        issuer: this.options.issuer,
        currentDate,
        clockTolerance: 60,
      });
      const claims = payload['kubernetes.io'] as KubernetesClaims | undefined;
      if (claims?.serviceaccount === undefined || payload.sub !== userName(claims))
        throw new TokenError('token has no service account claims');
      const { aud = [] } = payload;
      return { claims, jti: payload.jti, tokenAudiences: typeof aud === 'string' ? [aud] : aud };
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw new TokenError('service account token has expired', { cause: error });
      if (error instanceof errors.JOSEError) throw new TokenError(`invalid bearer token: ${error.message}`, { cause: error });
      throw error;
    }
  }

  async #present(
    resource: ResourceId,
    namespace: string | undefined,
    { name, uid }: ObjectReference,
    what: string,
  ): Promise<KubeObject> {
    const found = await this.#read(resource, namespace, name);
    if (found === undefined) throw new TokenError(`${what} ${JSON.stringify(name)} of the token does not exist`);
    if (found.metadata.uid !== uid) throw new TokenError(`${what} UID (${found.metadata.uid}) does not match claim (${uid})`);
    const { deletionTimestamp } = found.metadata;
    if (deletionTimestamp !== undefined && Date.parse(deletionTimestamp) < this.#clock.now() - leewayMs) {
      throw new TokenError(`${what} ${JSON.stringify(name)} of the token has been deleted`);
    }
    return found;
  }
}

const userName = ({ namespace, serviceaccount }: KubernetesClaims): string =>
  `system:serviceaccount:${namespace}:${serviceaccount.name}`;

function userOf(claims: KubernetesClaims, uid: string, jti: string | undefined): UserInfo {
  const extra: Record<string, readonly string[]> = {};
  if (jti !== undefined) extra['authentication.kubernetes.io/credential-id'] = [`JTI=${jti}`];
  if (claims.pod !== undefined) {
    extra['authentication.kubernetes.io/pod-name'] = [claims.pod.name];
    extra['authentication.kubernetes.io/pod-uid'] = [claims.pod.uid];
  }
  if (claims.node !== undefined) {
    extra['authentication.kubernetes.io/node-name'] = [claims.node.name];
    extra['authentication.kubernetes.io/node-uid'] = [claims.node.uid];
  }
  return { name: userName(claims), uid, groups: [...serviceAccountGroups(claims.namespace), 'system:authenticated'], extra };
}

/** The key's identity in the token's header: the hash of its DER form, as kubernetes `pkg/serviceaccount/jwt.go`. */
function keyId(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
}
