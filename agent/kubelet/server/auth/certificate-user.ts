/**
 * The user that a client certificate of the cluster's CA names: the common name, with the organizations as groups.
 *
 * Source: apiserver `pkg/authentication/request/x509` (CommonNameUserConversion).
 */
import { createHash } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { UserInfo } from '#api/types.generated.ts';

/** The client certificate of a connection. `wrong`: one that is not valid. */
export type ShownCertificate = { kind: 'none' } | { kind: 'wrong'; reason: string } | { kind: 'user'; user: UserInfo };

/** The subject of a certificate. Node gives several values of one type as an array. */
export interface PeerSubject {
  CN?: string | string[] | undefined;
  O?: string | string[] | undefined;
}

/** The user of a subject; undefined when it has no common name. Of several common names the last one counts, as in Go. Pure. */
export function subjectUser(subject: PeerSubject): Pick<UserInfo, 'username' | 'groups'> | undefined {
  const username = [subject.CN ?? []].flat().at(-1) ?? '';
  return username === '' ? undefined : { username, groups: [subject.O ?? []].flat() };
}

/** @param nowMs current time, because the certificate may expire while the connection is open */
export function shownCertificate(socket: TLSSocket, nowMs: number): ShownCertificate {
  const certificate = socket.getPeerCertificate() as
    | { raw?: Buffer | undefined; subject?: PeerSubject; valid_to?: string }
    | undefined;
  // A connection that has just closed has no certificate any more.
  if (certificate?.raw === undefined) return { kind: 'none' };
  if (!socket.authorized) return { kind: 'wrong', reason: String(socket.authorizationError) };
  if (Date.parse(certificate.valid_to ?? '') < nowMs) return { kind: 'wrong', reason: 'it has expired' };
  const user = subjectUser(certificate.subject ?? {});
  if (user === undefined) return { kind: 'none' };
  const fingerprint = createHash('sha256').update(certificate.raw).digest('hex');
  return {
    kind: 'user',
    user: { ...user, extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${fingerprint}`] } },
  };
}
