/**
 * Who sends a request: the user of its client certificate, else of its bearer token, else `system:anonymous`, who may read health and version
 * only.
 *
 * Source: kubernetes.io, Authenticating; apiserver `pkg/authentication/request/{x509,bearertoken,websocket}`.
 */
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls';
import { unauthorized } from '#api/status.ts';
import { isPublic } from '../authorization/authorization.ts';
import type { Authorization } from '../authorization/modes.ts';
import type { UserInfo } from '../registry/strategy.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import type { ServerLog } from '../serving/server-log.ts';
import { type ServiceAccountTokens, TokenError } from './service-account-tokens.ts';

export const anonymousUser: UserInfo = { name: 'system:anonymous', groups: ['system:unauthenticated'], extra: {} };

export interface Credentials {
  /** Only when its chain was verified against the client CA. */
  certificate: PeerCertificate | DetailedPeerCertificate | undefined;
  /** The `Authorization` header. */
  authorization: string | undefined;
  /** Of a request for a WebSocket: its `Sec-WebSocket-Protocol` header. */
  protocols?: string | undefined;
}

/** CN is the user, each O a group. Undefined for a certificate without CN. */
export function certificateUser(certificate: PeerCertificate): UserInfo | undefined {
  // Types say string; a subject with several O has an array.
  const subject = certificate.subject as unknown as Record<string, string | string[] | undefined>;
  const name = first(subject['CN']);
  if (name === undefined || name === '') return undefined;
  const organizations = subject['O'] === undefined ? [] : [subject['O']].flat();
  const fingerprint = createHash('sha256').update(certificate.raw).digest('hex');
  return {
    name,
    groups: [...organizations, 'system:authenticated'],
    extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${fingerprint}`] },
  };
}

const first = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value[0] : value);

const tokenPrefix = 'base64url.bearer.authorization.k8s.io.';
const offeredIn = (protocols: string): string[] => protocols.split(',').map((name) => name.trim());

/**
 * The bearer token among the subprotocols of a WebSocket: a browser cannot set an `Authorization` header there.
 * @throws ApiError 401 when it is not base64url, when there are several, or when there is no other subprotocol for the server to choose
 */
function protocolToken(protocols: string | undefined): string | undefined {
  const offered = offeredIn(protocols ?? '');
  const [encoded, ...more] = offered.filter((name) => name.startsWith(tokenPrefix));
  if (encoded === undefined) return undefined;
  const text = encoded.slice(tokenPrefix.length);
  const bytes = Buffer.from(text, 'base64url');
  if (more.length > 0 || bytes.toString('base64url') !== text || !isUtf8(bytes) || offered.length < 2) throw unauthorized();
  return bytes.length === 0 ? undefined : bytes.toString('utf8');
}

/** The subprotocols that a client offers, without the one that carries a token: nothing behind authentication may see the token. */
export const withoutToken = (protocols: string): string =>
  offeredIn(protocols)
    .filter((name) => !name.startsWith(tokenPrefix))
    .join(', ');

/** The user of a request. @throws ApiError 401 where a path that is not public comes without credentials, or with a token that is not valid */
export async function authenticate(
  { certificate, authorization, protocols }: Credentials,
  info: RequestInfo,
  tokens: ServiceAccountTokens | undefined,
  log: ServerLog,
  anonymous: Authorization['anonymous'],
): Promise<UserInfo> {
  const byCertificate = certificate === undefined ? undefined : certificateUser(certificate);
  if (byCertificate !== undefined) return byCertificate;
  const token = /^bearer (.+)$/i.exec(authorization?.trim() ?? '')?.[1]?.trim() ?? protocolToken(protocols);
  if (token !== undefined && tokens !== undefined) {
    try {
      return (await tokens.authenticate(token)).user;
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      log.info({ reason: error.message }, 'a bearer token was refused');
      throw unauthorized();
    }
  }
  if (authorization === undefined && (anonymous === 'asked' || isPublic(info))) return anonymousUser;
  throw unauthorized();
}
