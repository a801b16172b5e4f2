/**
 * Reads and writes kubeconfig files, the part of them that names a server and a user's credentials.
 *
 * Source: kubernetes.io, kubeconfig (v1) API.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse, stringify } from 'yaml';
import { errorText } from '#api/error-text.ts';
import type { HttpTransportOptions } from './http-transport.ts';

interface Cluster {
  server?: string;
  'certificate-authority'?: string;
  'certificate-authority-data'?: string;
  'insecure-skip-tls-verify'?: boolean;
  'tls-server-name'?: string;
}

interface User {
  'client-certificate'?: string;
  'client-certificate-data'?: string;
  'client-key'?: string;
  'client-key-data'?: string;
  token?: string;
  tokenFile?: string;
}

interface Context {
  cluster?: string;
  user?: string;
  namespace?: string;
}

interface Kubeconfig {
  'current-context'?: string;
  clusters?: { name: string; cluster?: Cluster }[];
  contexts?: { name: string; context?: Context }[];
  users?: { name: string; user?: User }[];
}

/** A kubeconfig file is absent, unreadable, or does not say what is asked of it. The message names file and entry. */
export class KubeconfigError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'KubeconfigError';
  }
}

/** One context of a kubeconfig file: where the server is, and the credentials. */
export interface LoadedKubeconfig extends HttpTransportOptions {
  /** The context's namespace; `default` where it names none. */
  namespace: string;
}

/**
 * The options of `createHttpTransport` for the cluster of `context` (default: the file's current context). Certificates and keys are read
 * here; a `tokenFile` is read at use. Relative paths are relative to the file.
 * @throws KubeconfigError
 */
export function loadKubeconfig(path: string, context?: string): LoadedKubeconfig {
  const config = parseFile(path);
  const contextName = context ?? config['current-context'] ?? '';
  if (contextName === '') throw new KubeconfigError(`${path}: no current-context is set; name a context`);
  const chosen = find(path, 'context', config.contexts, contextName).context ?? {};
  const cluster = find(path, 'cluster', config.clusters, chosen.cluster ?? '').cluster ?? {};
  const user = chosen.user === undefined || chosen.user === '' ? {} : (find(path, 'user', config.users, chosen.user).user ?? {});
  if (cluster.server === undefined || cluster.server === '')
    throw new KubeconfigError(`${path}: cluster "${chosen.cluster}" has no server`);
  if (!URL.canParse(cluster.server))
    throw new KubeconfigError(`${path}: cluster "${chosen.cluster}": server "${cluster.server}" is not a URL`);
  return {
    server: cluster.server,
    ca: pem(path, 'certificate-authority', cluster['certificate-authority-data'], cluster['certificate-authority']),
    ...credentialsOf(path, chosen.user ?? '', user),
    tlsServerName: cluster['tls-server-name'],
    insecureSkipTlsVerify: cluster['insecure-skip-tls-verify'],
    namespace: chosen.namespace ?? 'default',
  };
}

/** How a user says who it is. */
export type UserCredentials = Pick<HttpTransportOptions, 'cert' | 'key' | 'token' | 'tokenFile'>;

/** All users of a kubeconfig file by name, whatever its contexts say. @throws KubeconfigError */
export const readKubeconfigUsers = (path: string): ReadonlyMap<string, UserCredentials> =>
  new Map((parseFile(path).users ?? []).map(({ name, user = {} }) => [name, credentialsOf(path, name, user)]));

function credentialsOf(path: string, name: string, user: User): UserCredentials {
  const cert = pem(path, 'client-certificate', user['client-certificate-data'], user['client-certificate']);
  const key = pem(path, 'client-key', user['client-key-data'], user['client-key']);
  if ((cert === undefined) !== (key === undefined)) {
    throw new KubeconfigError(
      `${path}: user "${name}" has a client-${cert === undefined ? 'key' : 'certificate'} without a client-${cert === undefined ? 'certificate' : 'key'}`,
    );
  }
  return {
    cert,
    key,
    token: user.token,
    tokenFile: user.token !== undefined || user.tokenFile === undefined ? undefined : resolve(dirname(path), user.tokenFile),
  };
}

function parseFile(path: string): Kubeconfig {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new KubeconfigError(`${path}: cannot read the kubeconfig: ${errorText(error)}`, { cause: error });
  }
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new KubeconfigError(`${path}: the kubeconfig is not valid YAML: ${errorText(error)}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new KubeconfigError(`${path}: the kubeconfig is empty or not a mapping`);
  return value;
}

function find<T extends { name: string }>(path: string, what: string, entries: readonly T[] | undefined, name: string): T {
  const found = entries?.find((entry) => entry.name === name);
  if (found !== undefined) return found;
  const names = (entries ?? []).map((entry) => `"${entry.name}"`).join(', ');
  throw new KubeconfigError(`${path}: ${what} "${name}" does not exist; the file has ${names === '' ? 'none' : names}`);
}

/** Inline data wins over a file, as in client-go. */
function pem(path: string, what: string, data: string | undefined, file: string | undefined): string | undefined {
  if (data !== undefined && data !== '') return Buffer.from(data, 'base64').toString('utf8');
  if (file === undefined || file === '') return undefined;
  const target = resolve(dirname(path), file);
  try {
    return readFileSync(target, 'utf8');
  } catch (error) {
    throw new KubeconfigError(`${path}: unable to read ${what} ${target}: ${errorText(error)}`, { cause: error });
  }
}

/** The content of a kubeconfig file. */
export interface KubeconfigContent {
  server: string;
  /** PEM. */
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  /** A path, written in place of `cert`'s text. */
  certFile?: string | undefined;
  keyFile?: string | undefined;
  token?: string | undefined;
  tokenFile?: string | undefined;
  insecureSkipTlsVerify?: boolean | undefined;
  tlsServerName?: string | undefined;
  clusterName?: string | undefined;
  userName?: string | undefined;
  namespace?: string | undefined;
  /** More users of the same cluster, each with a context of its own, `<user>@<cluster>`. */
  others?:
    | readonly ({ userName: string } & ({ cert: string; key: string } | { certFile: string; keyFile: string }))[]
    | undefined;
}

/** The text of a kubeconfig with one cluster, and for each user a context, `<user>@<cluster>`: the first one's is the current context. */
export function kubeconfigText(content: KubeconfigContent): string {
  const { clusterName = 'kubernetes', userName = 'kubernetes-admin' } = content;
  const base64 = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : Buffer.from(text, 'utf8').toString('base64');
  const { others = [], namespace } = content;
  const contextOf = (user: string): string => `${user}@${clusterName}`;
  const value = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: clusterName,
        cluster: {
          'certificate-authority-data': base64(content.ca),
          'insecure-skip-tls-verify': content.insecureSkipTlsVerify,
          server: content.server,
          'tls-server-name': content.tlsServerName,
        },
      },
    ],
    contexts: [userName, ...others.map((other) => other.userName)].map((user) => ({
      name: contextOf(user),
      context: { cluster: clusterName, namespace, user },
    })),
    'current-context': contextOf(userName),
    users: [
      {
        name: userName,
        user: {
          'client-certificate': content.certFile,
          'client-certificate-data': base64(content.cert),
          'client-key': content.keyFile,
          'client-key-data': base64(content.key),
          token: content.token,
          tokenFile: content.tokenFile,
        },
      },
      ...others.map((other) => ({
        name: other.userName,
        user:
          'certFile' in other
            ? { 'client-certificate': other.certFile, 'client-key': other.keyFile }
            : { 'client-certificate-data': base64(other.cert), 'client-key-data': base64(other.key) },
      })),
    ],
  };
  return stringify(JSON.parse(JSON.stringify(value)), { lineWidth: 0 });
}

/** Writes the file readable by its owner alone: it holds a key. */
export function writeKubeconfig(path: string, content: KubeconfigContent): void {
  writeFileSync(path, kubeconfigText(content), { mode: 0o600 });
}
