/** How a component reaches the API server: by a kubeconfig, or, in a pod, as its service account. */
import { existsSync, readFileSync } from 'node:fs';
import type { Client } from '#client/client.ts';
import { type Clock, systemClock } from '#client/clock.ts';
import { createHttpTransport, type HttpTransport } from '#client/http-transport.ts';
import { type LoadedKubeconfig, loadKubeconfig } from '#client/kubeconfig.ts';
import { createClient } from '#client/rest-client.ts';
import { checkFile } from '../checks.ts';

const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Where a pod finds the API server and its service account. Source: client-go `rest/config.go` (InClusterConfig). */
export function inClusterConfig(env: NodeJS.ProcessEnv = process.env, folder = accountFolder): LoadedKubeconfig | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  const tokenFile = `${folder}/token`;
  if (host === undefined || port === undefined || host === '' || port === '' || !existsSync(tokenFile)) return undefined;
  const address = host.includes(':') ? `[${host}]` : host;
  return {
    server: `https://${address}:${port}`,
    ca: existsSync(`${folder}/ca.crt`) ? readFileSync(`${folder}/ca.crt`, 'utf8') : undefined,
    cert: undefined,
    key: undefined,
    token: undefined,
    tokenFile,
    tlsServerName: undefined,
    insecureSkipTlsVerify: undefined,
    namespace: 'default',
  };
}

/**
 * @param flag the name of the flag with dashes; `path` its value
 * @param master `--master`: another server than the kubeconfig's
 * @throws Error that says what to give
 */
export function clientConfig(flag: string, path: string | undefined, master?: string): LoadedKubeconfig {
  const config = path === undefined || path === '' ? inClusterConfig() : fileConfig(flag, path);
  if (config === undefined)
    throw new Error(`${flag}: give a kubeconfig; without one, a component runs in a pod that has a service account`);
  if (master === undefined || master === '') return config;
  if (!URL.canParse(master)) throw new Error(`--master ${master}: give a URL such as https://10.0.0.1:6443`);
  return { ...config, server: master };
}

function fileConfig(flag: string, path: string): LoadedKubeconfig {
  checkFile(flag, path);
  return loadKubeconfig(path);
}

/** The connections of one component; closed together. */
export class ComponentClients {
  readonly #transports: HttpTransport[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** A connection of its own. */
  transport(config: LoadedKubeconfig): HttpTransport {
    const transport = createHttpTransport({ ...config, clock: this.#clock });
    this.#transports.push(transport);
    return transport;
  }

  /** @param signal ends its waits */
  client(config: LoadedKubeconfig, userAgent: string, signal?: AbortSignal): Client {
    return createClient(this.transport(config), { userAgent, clock: this.#clock, ...(signal === undefined ? {} : { signal }) });
  }

  /** Requests under way fail. */
  close(): void {
    for (const transport of this.#transports) transport.close();
  }
}
