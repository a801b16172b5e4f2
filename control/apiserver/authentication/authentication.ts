/**
 * Who sends a request: client certificate, then bearer token; nobody means anonymous, who may read health and version only.
 *
 * Source: kubernetes.io, Authenticating; apiserver `pkg/authentication/request/{x509,bearertoken}`.
 */
import { createHash } from 'node:crypto';
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls';
import { unauthorized } from '#api/status.ts';
import { isPublic } from '../authorization/authorization.ts';
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

/** @throws ApiError 401 where nobody is told, or a token is not good */
export async function authenticate(
  { certificate, authorization }: Credentials,
  info: RequestInfo,
  tokens: ServiceAccountTokens | undefined,
  log: ServerLog,
): Promise<UserInfo> {
  const byCertificate = certificate === undefined ? undefined : certificateUser(certificate);
  if (byCertificate !== undefined) return byCertificate;
  const token = /^bearer (.+)$/i.exec(authorization?.trim() ?? '')?.[1]?.trim();
  if (token !== undefined && tokens !== undefined) {
    try {
      return (await tokens.authenticate(token)).user;
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      log.info({ reason: error.message }, 'a bearer token was refused');
      throw unauthorized();
    }
  }
  if (authorization === undefined && isPublic(info)) return anonymousUser;
  throw unauthorized();
}
