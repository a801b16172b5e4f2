/** The authentication flags of `tinker server`, with upstream's names. Reads their files. */

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { errorText } from '#api/error-text.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { parseAuthenticationConfiguration } from '#control/apiserver/authentication/config/authentication-configuration.ts';
import type { AuthenticationOptions } from '#control/apiserver/authentication/create-authentication.ts';
import { jwtIssuerOf, type OidcFlags } from '#control/apiserver/authentication/oidc/jwt-issuer.ts';
import type { RequestHeaderOptions } from '#control/apiserver/authentication/request-header.ts';
import { tokenFile } from '#control/apiserver/authentication/token-file.ts';
import { ConfigFile } from '#control/apiserver/serving/config-file.ts';
import { pemCertificates } from '#control/apiserver/serving/pem-certificates.ts';
import type { ServerLog } from '#control/apiserver/serving/server-log.ts';
import { checkFile } from './checks.ts';
import { boolean, durationMs, names } from './flags.ts';

const collect = (text: string, previous: string[]): string[] => [...previous, text];
const algorithms = (text: string): string[] => text.split(',');

/** kube-apiserver's flags of authentication that `tinker server` takes. */
export interface AuthenticationFlags extends OidcFlags {
  authenticationConfig: string | undefined;
  oidcCaFile: string | undefined;
  authenticationTokenWebhookConfigFile: string | undefined;
  authenticationTokenWebhookVersion: 'v1' | 'v1beta1';
  authenticationTokenWebhookCacheTtl: number;
  /** Default true. */
  anonymousAuth: boolean | undefined;
  tokenAuthFile: string | undefined;
  enableBootstrapTokenAuth: boolean;
  requestheaderClientCaFile: string | undefined;
  requestheaderAllowedNames: string[];
  requestheaderUsernameHeaders: string[];
  requestheaderUidHeaders: string[];
  requestheaderGroupHeaders: string[];
  requestheaderExtraHeadersPrefix: string[];
  legacyServiceAccountTokenCleanUpPeriod: number;
}

/** Adds the authentication flags to a command. */
export function addAuthenticationFlags(command: Command): Command {
  return command
    .option(
      '--authentication-config <file>',
      'an AuthenticationConfiguration: issuers of JWTs and who may be anonymous; read anew when it changes',
    )
    .option(
      '--anonymous-auth [bool]',
      'let requests in that do not say who they are, as system:anonymous; by default true',
      boolean,
    )
    .option('--token-auth-file <file>', 'tokens, one a line: token,user,uid,"group1,group2"')
    .option('--enable-bootstrap-token-auth [bool]', 'accept the bootstrap tokens of kube-system', boolean, true)
    .option('--oidc-issuer-url <url>', 'the OpenID Connect issuer whose tokens are accepted; https')
    .option('--oidc-client-id <id>', 'whom its tokens must be meant for')
    .option('--oidc-ca-file <file>', "who has signed the issuer's certificate; by default the machine's authorities")
    .option('--oidc-username-claim <claim>', 'the claim with the user', 'sub')
    .option('--oidc-username-prefix <text>', 'put before the user; by default the issuer and #, but for email; -: nothing', '')
    .option('--oidc-groups-claim <claim>', 'the claim with the groups')
    .option('--oidc-groups-prefix <text>', 'put before each group', '')
    .option('--oidc-required-claim <claim=value>', 'what tokens must say besides; may be given often', collect, [])
    .option('--oidc-signing-algs <names>', 'how tokens may be signed', algorithms, ['RS256'])
    .option('--authentication-token-webhook-config-file <file>', 'a kubeconfig: who is asked about tokens')
    .addOption(
      new Option('--authentication-token-webhook-version <version>', 'of the TokenReview')
        .choices(['v1', 'v1beta1'])
        .default('v1beta1'),
    )
    .option('--authentication-token-webhook-cache-ttl <duration>', 'how long its answers are remembered', durationMs, 120_000)
    .option('--requestheader-client-ca-file <file>', 'the CA of proxies in front that may say who the user is')
    .option(
      '--requestheader-allowed-names <names>',
      "common names that such a proxy's certificate may have; none: any",
      names,
      [],
    )
    .option('--requestheader-username-headers <names>', 'headers with the user, such as X-Remote-User', names, [])
    .option('--requestheader-uid-headers <names>', 'headers with the UID, such as X-Remote-Uid', names, [])
    .option('--requestheader-group-headers <names>', 'headers with the groups, such as X-Remote-Group', names, [])
    .option('--requestheader-extra-headers-prefix <names>', 'beginnings of headers with more, such as X-Remote-Extra-', names, [])
    .option(
      '--legacy-service-account-token-clean-up-period <duration>',
      'how long a token in a secret may be unused before it is refused, and then deleted',
      durationMs,
      365 * 24 * 3_600_000,
    );
}

/**
 * The options that the flags define.
 * @param ownIssuers issuers of service account tokens; no other issuer may have one of these names @throws Error that names the flag and
 * what is wrong with it, or with its file
 */
export function authenticationOptions(
  flags: AuthenticationFlags,
  ownIssuers: readonly string[],
  log: ServerLog,
): AuthenticationOptions {
  const { oidcCaFile, authenticationTokenWebhookConfigFile: webhook } = flags;
  const configuration =
    flags.authenticationConfig === undefined ? undefined : configurationOf(flags.authenticationConfig, flags, ownIssuers);
  const oidcCa = oidcCaFile === undefined ? undefined : readCertificates('--oidc-ca-file', oidcCaFile);
  return {
    anonymous: flags.anonymousAuth,
    tokenFile: flags.tokenAuthFile === undefined ? undefined : tokenFile(flags.tokenAuthFile, log),
    bootstrapTokens: flags.enableBootstrapTokenAuth,
    oidc: jwtIssuerOf(flags, oidcCa, ownIssuers),
    configuration,
    webhook:
      webhook === undefined
        ? undefined
        : {
            config: loadKubeconfig(webhook),
            version: flags.authenticationTokenWebhookVersion,
            cacheMs: flags.authenticationTokenWebhookCacheTtl,
          },
    requestHeader: requestHeader(flags),
  };
}

/** @throws Error that names the flag */
function configurationOf(
  path: string,
  flags: AuthenticationFlags,
  ownIssuers: readonly string[],
): AuthenticationOptions['configuration'] {
  if (flags.oidcIssuerUrl !== undefined || flags.oidcClientId !== undefined || flags.oidcGroupsClaim !== undefined)
    throw new Error('authentication-config file and oidc-* flags are mutually exclusive');
  checkFile('--authentication-config', path);
  const file = new ConfigFile(path, (text) => parseAuthenticationConfiguration(text, ownIssuers));
  let initial: ReturnType<typeof parseAuthenticationConfiguration>;
  try {
    initial = file.read();
  } catch (error) {
    throw new Error(`--authentication-config ${path}: ${errorText(error)}`, { cause: error });
  }
  if (initial.anonymous !== undefined && flags.anonymousAuth !== undefined)
    throw new Error(
      'anonymous: Forbidden: --anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration file',
    );
  const unchanged = (text: string) => {
    const next = parseAuthenticationConfiguration(text, ownIssuers);
    if (JSON.stringify(next.anonymous) !== JSON.stringify(initial.anonymous))
      throw new Error('anonymous: Forbidden: changed from initial configuration file');
    return next;
  };
  return { initial, file: new ConfigFile(path, unchanged, file.text) };
}

function requestHeader(flags: AuthenticationFlags): RequestHeaderOptions | undefined {
  const lists = {
    'requestheader-username-headers': flags.requestheaderUsernameHeaders,
    'requestheader-uid-headers': flags.requestheaderUidHeaders,
    'requestheader-group-headers': flags.requestheaderGroupHeaders,
    'requestheader-extra-headers-prefix': flags.requestheaderExtraHeadersPrefix,
    'requestheader-allowed-names': flags.requestheaderAllowedNames,
  };
  for (const [flag, list] of Object.entries(lists))
    if (list.some((value) => value.trim() === '')) throw new Error(`empty value in "${flag}"`);
  if (flags.requestheaderClientCaFile === undefined) return undefined;
  return {
    clientCa: readCertificates('--requestheader-client-ca-file', flags.requestheaderClientCaFile),
    allowedNames: flags.requestheaderAllowedNames,
    usernameHeaders: flags.requestheaderUsernameHeaders,
    uidHeaders: flags.requestheaderUidHeaders,
    groupHeaders: flags.requestheaderGroupHeaders,
    extraHeaderPrefixes: flags.requestheaderExtraHeadersPrefix,
  };
}

/** A bundle of certificates. @throws Error that names flag and file */
function readCertificates(flag: string, path: string): string {
  checkFile(flag, path);
  const certificates = pemCertificates(readFileSync(path, 'utf8'));
  if (certificates.length === 0) throw new Error(`${flag} ${path}: there is no certificate in it`);
  for (const [index, pem] of certificates.entries()) {
    try {
      new X509Certificate(pem);
    } catch (error) {
      throw new Error(`${flag} ${path}: its certificate ${index + 1} cannot be read`, { cause: error });
    }
  }
  return `${certificates.join('\n')}\n`;
}
