/** The flags of kube-controller-manager and kube-scheduler about their own HTTPS endpoint, and the endpoint. */
import { generateKeyPairSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { createSelfSigned } from '#api/x509/self-signed.ts';
import { CertificateFiles, type CertificatePair } from '#client/certificate-files.ts';
import type { Client } from '#client/client.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { RequestHeaderOptions } from '#control/apiserver/authentication/request-header.ts';
import { type Listener, listen } from '#control/apiserver/serving/listener.ts';
import type { ServerLog } from '#control/apiserver/serving/server-log.ts';
import { type TlsLimits, tlsLimits } from '#control/apiserver/serving/tls-flags.ts';
import { ComponentServer, type ComponentServerDeps } from '#control/component-server/component-server.ts';
import { type DelegatedAuthOptions, defaultDelegation } from '#control/component-server/delegated-auth.ts';
import { checkAddress, textOf } from '../checks.ts';
import { boolean, durationMs, names, port } from '../flags.ts';
import { servingCertificateOf } from '../serving-certificate.ts';
import { type ComponentClients, clientConfig } from './client-config.ts';
import type { FlagSection } from './flag-set.ts';

/** As the command line gives them; times in milliseconds. */
export interface SecureServingFlags {
  bindAddress: string;
  securePort: number;
  certDir: string;
  tlsCertFile: string | undefined;
  tlsPrivateKeyFile: string | undefined;
  tlsMinVersion: string;
  tlsCipherSuites: string[];
  authenticationKubeconfig: string | undefined;
  authenticationSkipLookup: boolean;
  authenticationTolerateLookupFailure: boolean;
  authenticationTokenWebhookCacheTtl: number;
  clientCaFile: string | undefined;
  requestheaderClientCaFile: string | undefined;
  requestheaderAllowedNames: string[];
  requestheaderUsernameHeaders: string[];
  requestheaderUidHeaders: string[];
  requestheaderGroupHeaders: string[];
  requestheaderExtraHeadersPrefix: string[];
  authorizationKubeconfig: string | undefined;
  authorizationAlwaysAllowPaths: string[];
  authorizationWebhookCacheAuthorizedTtl: number;
  authorizationWebhookCacheUnauthorizedTtl: number;
}

/** Parser of a list flag: the first value given replaces the default, later ones are appended. */
const replacing = (byDefault: readonly string[]): ((text: string, previous: string[]) => string[]) => {
  return (text, previous) => names(text, previous.join() === byDefault.join() ? [] : previous);
};

/** @param defaultPort upstream's of the component */
export function secureServingSections(defaultPort: number): FlagSection[] {
  const { alwaysAllowPaths } = defaultDelegation;
  const headers = ['x-remote-user', 'x-remote-group', 'x-remote-extra-'] as const;
  return [
    {
      title: 'Secure serving',
      add: (command: Command) =>
        command
          .option('--bind-address <address>', 'the address to listen on for --secure-port', '0.0.0.0')
          .option('--secure-port <port>', 'the port of HTTPS with authentication and authorization', securePort, defaultPort)
          .option('--cert-dir <folder>', 'where <component>.crt and .key are looked for if --tls-cert-file is not given', '')
          .option('--tls-cert-file <file>', 'serving certificate, with its chain; by default one signed by itself, in memory')
          .option('--tls-private-key-file <file>', 'the key of --tls-cert-file')
          .option('--tls-min-version <version>', 'the oldest TLS that is spoken: VersionTLS12, VersionTLS13', '')
          .option(
            '--tls-cipher-suites <names>',
            'the cipher suites of TLS 1.2, by the names of Go; by default those of OpenSSL',
            names,
            [],
          ),
    },
    {
      title: 'Authentication',
      add: (command: Command) =>
        command
          .option(
            '--authentication-kubeconfig <file>',
            'as whom the API server is asked whose a token is (tokenreviews.authentication.k8s.io)',
          )
          .option(
            '--authentication-skip-lookup [bool]',
            'do not read from the cluster which CAs sign certificates of clients',
            boolean,
            false,
          )
          .option('--authentication-tolerate-lookup-failure [bool]', 'start although these cannot be read', boolean, true)
          .option(
            '--authentication-token-webhook-cache-ttl <duration>',
            'how long an answer about a token is remembered',
            durationMs,
            defaultDelegation.tokenCacheMs,
          )
          .option('--client-ca-file <file>', 'the CAs of client certificates: the common name is the user')
          .option('--requestheader-client-ca-file <file>', 'the CAs of proxies in front that say in headers who the user is')
          .option(
            '--requestheader-allowed-names <names>',
            "common names that a proxy's certificate may have; none: any",
            names,
            [],
          )
          .option('--requestheader-username-headers <names>', 'headers with the user', replacing([headers[0]]), [headers[0]])
          .option('--requestheader-uid-headers <names>', 'headers with the UID', names, [])
          .option('--requestheader-group-headers <names>', 'headers with the groups', replacing([headers[1]]), [headers[1]])
          .option(
            '--requestheader-extra-headers-prefix <names>',
            'beginnings of headers with more about the user',
            replacing([headers[2]]),
            [headers[2]],
          ),
    },
    {
      title: 'Authorization',
      add: (command: Command) =>
        command
          .option(
            '--authorization-kubeconfig <file>',
            'as whom the API server is asked what a user may do (subjectaccessreviews.authorization.k8s.io)',
          )
          .option('--authorization-always-allow-paths <names>', 'paths that nobody is asked about', replacing(alwaysAllowPaths), [
            ...alwaysAllowPaths,
          ])
          .option(
            '--authorization-webhook-cache-authorized-ttl <duration>',
            'how long its yes is remembered',
            durationMs,
            defaultDelegation.authorizedCacheMs,
          )
          .option(
            '--authorization-webhook-cache-unauthorized-ttl <duration>',
            'how long its no is remembered',
            durationMs,
            defaultDelegation.unauthorizedCacheMs,
          ),
    },
  ];
}

/** 0: HTTPS is not served. */
const securePort = (text: string): number => (text === '0' ? 0 : port(text));

/** What the flags say, with their files read. */
export interface SecureServing {
  address: string;
  /** 0: nothing is served. */
  port: number;
  tls: TlsLimits;
  files: CertificateFiles | undefined;
  clientCa: string | undefined;
  requestHeader: RequestHeaderOptions | undefined;
  flags: SecureServingFlags;
}

/** @throws Error that names the flag */
export function secureServing(component: string, flags: SecureServingFlags): SecureServing {
  const proxyCa = textOf('--requestheader-client-ca-file', flags.requestheaderClientCaFile);
  return {
    address: checkAddress('--bind-address', flags.bindAddress),
    port: flags.securePort,
    tls: tlsLimits(flags.tlsMinVersion, flags.tlsCipherSuites),
    files: servingFiles(component, flags),
    clientCa: textOf('--client-ca-file', flags.clientCaFile),
    requestHeader:
      proxyCa === undefined
        ? undefined
        : {
            clientCa: proxyCa,
            allowedNames: flags.requestheaderAllowedNames,
            usernameHeaders: flags.requestheaderUsernameHeaders,
            uidHeaders: flags.requestheaderUidHeaders,
            groupHeaders: flags.requestheaderGroupHeaders,
            extraHeaderPrefixes: flags.requestheaderExtraHeadersPrefix,
          },
    flags,
  };
}

function servingFiles(component: string, flags: SecureServingFlags): CertificateFiles | undefined {
  const { certDir } = flags;
  const given = servingCertificateOf(flags);
  if (given !== undefined || certDir === '') return given;
  const [certificate, key] = [join(certDir, `${component}.crt`), join(certDir, `${component}.key`)];
  return existsSync(certificate) && existsSync(key) ? new CertificateFiles(certificate, key) : undefined;
}

/** Made at each start, as upstream does where `--cert-dir` is not given. */
export function selfSignedPair(component: string, nowMs: number): CertificatePair {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const names = { dnsNames: [hostname(), 'localhost'], ipAddresses: [Buffer.from([127, 0, 0, 1])] };
  return {
    certificate: createSelfSigned({ commonName: `${component}@${Math.floor(nowMs / 1000)}`, names, nowMs }, privateKey),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

/** The clients that the endpoint asks with. Source: upstream `DelegatingAuthenticationOptions`, `DelegatingAuthorizationOptions`. */
export interface EndpointClients {
  token?: Client | undefined;
  access?: Client | undefined;
}

/** As the two kubeconfigs say. @throws Error that names the flag */
export function endpointClients(clients: ComponentClients, { flags }: SecureServing, userAgent: string): EndpointClients {
  const of = (flag: string, path: string | undefined): Client | undefined =>
    path === undefined || path === '' ? undefined : clients.client(clientConfig(flag, path), userAgent);
  return {
    token: of('--authentication-kubeconfig', flags.authenticationKubeconfig),
    access: of('--authorization-kubeconfig', flags.authorizationKubeconfig),
  };
}

/** A component's endpoint that listens. */
export interface SecureEndpoint {
  /** Serves until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** Opens the port. Undefined where the flags ask for none. @throws the socket's error */
export async function openEndpoint(
  component: string,
  deps: ComponentServerDeps,
  serving: SecureServing,
  clients: EndpointClients,
): Promise<SecureEndpoint | undefined> {
  const { flags, files } = serving;
  if (serving.port === 0) return undefined;
  const options: DelegatedAuthOptions = {
    tokenClient: clients.token,
    accessClient: clients.access,
    requestHeader: serving.requestHeader,
    tokenCacheMs: flags.authenticationTokenWebhookCacheTtl,
    authorizedCacheMs: flags.authorizationWebhookCacheAuthorizedTtl,
    unauthorizedCacheMs: flags.authorizationWebhookCacheUnauthorizedTtl,
    alwaysAllowPaths: flags.authorizationAlwaysAllowPaths,
  };
  const lookUp = flags.authenticationSkipLookup ? undefined : clients.token;
  if (!flags.authenticationTolerateLookupFailure) await lookUp?.resource('configmaps').get(trustName);
  const server = new ComponentServer(deps, options);
  const listener = await listen(
    server,
    {
      host: serving.address,
      port: serving.port,
      ...(files?.current() ?? selfSignedPair(component, deps.clock.now())),
      ...serving.tls,
      clientCa: serving.clientCa,
      requestHeaderCa: serving.requestHeader?.clientCa,
    },
    deps.log,
  );
  files?.onChange((pair) => listener.useCertificate(pair));
  return {
    async run(signal) {
      await Promise.all([
        listener.run(signal),
        files?.run(deps, signal),
        lookUp === undefined ? undefined : followTrust(lookUp, serving, { ...deps, server, listener }, signal),
      ]);
    },
  };
}

const trustName = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };
const lookUpMs = 60_000;
const retryMs = 5_000;

interface TrustDeps {
  clock: Clock;
  log: ServerLog;
  server: ComponentServer;
  listener: Listener;
}

/** Which CAs sign certificates of clients, where the flags do not say it: kube-system/extension-apiserver-authentication says it. */
async function followTrust(client: Client, serving: SecureServing, deps: TrustDeps, signal: AbortSignal): Promise<void> {
  let known = '';
  let isTold = false;
  while (!signal.aborted) {
    let waitMs = lookUpMs;
    try {
      const { data = {} } = await client.resource('configmaps').get(trustName);
      const text = JSON.stringify(data);
      if (text !== known) use(data, serving, deps);
      known = text;
      isTold = false;
    } catch (error) {
      if (signal.aborted) return;
      if (!isTold)
        deps.log.warn({ err: error }, 'the CAs of client certificates could not be read from the cluster; trying again');
      isTold = true;
      waitMs = retryMs;
    }
    await sleep(deps.clock, waitMs, signal);
  }
}

function use(data: Readonly<Record<string, string>>, serving: SecureServing, { server, listener }: TrustDeps): void {
  const list = (key: string): string[] => {
    const value: unknown = JSON.parse(data[key] ?? '[]');
    return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
  };
  const proxyCa = data['requestheader-client-ca-file'];
  const found: RequestHeaderOptions | undefined =
    proxyCa === undefined
      ? undefined
      : {
          clientCa: proxyCa,
          allowedNames: list('requestheader-allowed-names'),
          usernameHeaders: list('requestheader-username-headers'),
          uidHeaders: list('requestheader-uid-headers'),
          groupHeaders: list('requestheader-group-headers'),
          extraHeaderPrefixes: list('requestheader-extra-headers-prefix'),
        };
  const requestHeader = serving.requestHeader ?? found;
  listener.trust({ clientCa: serving.clientCa ?? data['client-ca-file'], requestHeaderCa: requestHeader?.clientCa });
  server.trustProxies(requestHeader);
}
