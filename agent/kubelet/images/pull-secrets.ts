/**
 * Registry credentials from imagePullSecrets. Pure.
 *
 * Source: kubernetes.io "Pull an Image from a Private Registry"; upstream `pkg/credentialprovider/keyring.go` (matching).
 */

import type { AuthConfig } from '#agent/runtime/runtime.ts';
import type { Secret } from '#api/types.generated.ts';
import { parseImageName } from '../image-name.ts';

interface DockerAuth {
  auth?: string;
  username?: string;
  password?: string;
  identitytoken?: string;
  registrytoken?: string;
}

function entriesOf(secret: Secret): [string, DockerAuth][] {
  const read = (key: string): unknown => {
    const data = secret.data?.[key];
    return data === undefined ? undefined : JSON.parse(Buffer.from(data, 'base64').toString('utf8'));
  };
  if (secret.type === 'kubernetes.io/dockerconfigjson') {
    const config = read('.dockerconfigjson') as { auths?: Record<string, DockerAuth> } | undefined;
    return Object.entries(config?.auths ?? {});
  }
  if (secret.type === 'kubernetes.io/dockercfg')
    return Object.entries((read('.dockercfg') as Record<string, DockerAuth> | undefined) ?? {});
  return [];
}

/** Whether credentials for `server` (`https://host:port/path`, `*.host`) serve an image of `registry/repository`. */
function matches(server: string, registry: string, repository: string): boolean {
  const [host = '', ...pathParts] = server.replace(/^https?:\/\//, '').split('/');
  const path = pathParts
    .join('/')
    .replace(/^v[12]\/?$/, '')
    .replace(/\/$/, '');
  const wanted = host === 'index.docker.io' || host === 'registry-1.docker.io' ? 'docker.io' : host;
  const labels = wanted.split('.');
  const actual = registry.split('.');
  const sameHost =
    labels.length === actual.length &&
    labels.every((label, index) => label === actual[index] || (label === '*' && actual[index] !== ''));
  return sameHost && (path === '' || repository === path || repository.startsWith(`${path}/`));
}

function toAuth(server: string, { auth, username, password, identitytoken, registrytoken }: DockerAuth): AuthConfig {
  const [user, ...rest] = auth === undefined ? [] : Buffer.from(auth, 'base64').toString('utf8').split(':');
  return {
    username: username ?? user,
    password: password ?? (auth === undefined ? undefined : rest.join(':').replace(/\0+$/, '')),
    serverAddress: server,
    ...(identitytoken === undefined ? {} : { identityToken: identitytoken }),
    ...(registrytoken === undefined ? {} : { registryToken: registrytoken }),
  };
}

/** Credentials to try for `image`, the most specific server first. Secrets that cannot be read are skipped. */
export function credentialsFor(image: string, secrets: readonly Secret[]): AuthConfig[] {
  const { registry, repository } = parseImageName(image);
  return secrets
    .flatMap(entriesOf)
    .filter(([server]) => matches(server, registry, repository))
    .sort(([a], [b]) => b.length - a.length)
    .map(([server, auth]) => toAuth(server, auth));
}
