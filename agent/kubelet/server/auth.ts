/** Who may ask the kubelet: clients with a certificate of the cluster's CA whose user or group administers nodes. */
import type { TLSSocket } from 'node:tls';

/** Whether a request is served; `user` is the name in the client's certificate. */
export type Verdict = { kind: 'allowed'; user: string } | { kind: 'unauthorized' } | { kind: 'forbidden'; user: string };

const groups = new Set(['system:masters', 'system:kubelet-api-admin']);
const users = new Set(['kube-apiserver-kubelet-client', 'system:kube-apiserver']);

/** The subject of a client certificate: CN is the user, O the groups. */
export interface PeerSubject {
  CN?: string | string[] | undefined;
  O?: string | string[] | undefined;
}

const asList = (value: string | string[] | undefined): string[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];

/** The verdict on a verified certificate's subject. Pure. */
export function authorizeSubject(subject: PeerSubject): Verdict {
  const user = asList(subject.CN)[0] ?? '';
  const allowed = users.has(user) || asList(subject.O).some((group) => groups.has(group));
  return allowed ? { kind: 'allowed', user } : { kind: 'forbidden', user };
}

/** The verdict on the client of a TLS connection. */
export function authorize(socket: TLSSocket): Verdict {
  if (!socket.authorized) return { kind: 'unauthorized' };
  // A connection that has just closed has no certificate any more.
  const { subject = {} } = socket.getPeerCertificate() as { subject?: PeerSubject };
  return authorizeSubject(subject);
}

/** The body of a 403 answer, in upstream's words. Pure. */
export const forbiddenText = (user: string, method: string): string =>
  `Forbidden (user=${user}, verb=${method === 'GET' ? 'get' : 'create'}, resource=nodes, subresource(s)=[proxy])`;
