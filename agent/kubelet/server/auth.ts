/** Who may ask the kubelet: holders of certificates of the cluster's CA in the groups that administer nodes. */
import type { TLSSocket } from 'node:tls';

export type Verdict = { kind: 'allowed'; user: string } | { kind: 'unauthorized' } | { kind: 'forbidden'; user: string };

const groups = new Set(['system:masters', 'system:nodes', 'system:kubelet-api-admin']);
const users = new Set(['kube-apiserver-kubelet-client', 'system:kube-apiserver']);

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

export function authorize(socket: TLSSocket): Verdict {
  if (!socket.authorized) return { kind: 'unauthorized' };
  // Of a connection that has just closed there is no certificate any more.
  const { subject = {} } = socket.getPeerCertificate() as { subject?: PeerSubject };
  return authorizeSubject(subject);
}

export const forbiddenText = (user: string, method: string): string =>
  `Forbidden (user=${user}, verb=${method === 'GET' ? 'get' : 'create'}, resource=nodes, subresource(s)=[proxy])`;
