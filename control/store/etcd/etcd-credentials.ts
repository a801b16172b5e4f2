/** The credentials of connections to etcd, as gRPC takes them. */
import { checkServerIdentity } from 'node:tls';
import { type ChannelCredentials, credentials } from '@grpc/grpc-js';
import type { Endpoint, EtcdAccess } from './etcd-endpoints.ts';

/** The credentials of connections to one member. @throws Error when a certificate or key cannot be read */
export function credentialsOf({ host, isSecure }: Endpoint, { ca, identity }: EtcdAccess): ChannelCredentials {
  if (!isSecure) return credentials.createInsecure();
  return credentials.createSsl(ca ?? null, identity?.key ?? null, identity?.certificate ?? null, {
    checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
  });
}
