/** The flags of `tinker server` for service account tokens, with upstream's names. Reads the key files. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { errorText } from '#api/error-text.ts';
import type { TokenOptions } from '#control/apiserver/authentication/service-account-tokens.ts';
import { signingKey, verificationKeys } from '#control/apiserver/authentication/token-keys.ts';
import { boolean, durationMs, names } from './flags.ts';

const collect = (text: string, previous: string[]): string[] => [...previous, text];

/** kube-apiserver's flags of service account tokens that `tinker server` takes. */
export interface ServiceAccountFlags {
  serviceAccountIssuer: string[];
  serviceAccountKeyFile: string[];
  serviceAccountSigningKeyFile: string | undefined;
  serviceAccountJwksUri: string;
  serviceAccountMaxTokenExpiration: number;
  serviceAccountExtendTokenExpiration: boolean;
  apiAudiences: string[];
}

/** Adds these flags to a command. */
export function addServiceAccountFlags(command: Command): Command {
  return command
    .option('--api-audiences <names>', 'whom tokens must be meant for; by default the issuers', names, [])
    .option(
      '--service-account-issuer <url>',
      'who signs service-account tokens; given often: the first one signs, and tokens of all are accepted; by default https://kubernetes.default.svc.<domain>',
      collect,
      [],
    )
    .option(
      '--service-account-key-file <file>',
      'keys or certificates (PEM) that verify such tokens; may be given often; by default the key of the data folder',
      collect,
      [],
    )
    .option('--service-account-signing-key-file <file>', 'the private key that signs them; by default that of the data folder')
    .option('--service-account-jwks-uri <url>', 'where others find the keys that verify them; by default on this server', '')
    .option('--service-account-max-token-expiration <duration>', 'the longest life of such a token; 0: any', durationMs, 0)
    .option(
      '--service-account-extend-token-expiration [bool]',
      'let tokens that admission has put into pods be good for a year',
      boolean,
      true,
    );
}

/** The options that the flags define. @throws Error in upstream's words, or one that names the flag and what is wrong with its file */
export function serviceAccountOptions(
  flags: ServiceAccountFlags,
  clusterDomain: string,
): Partial<TokenOptions> & { issuer: string } {
  checkIssuers(flags.serviceAccountIssuer);
  checkJwksUri(flags.serviceAccountJwksUri);
  const { serviceAccountKeyFile: keyFiles, serviceAccountSigningKeyFile: signingFile } = flags;
  if (signingFile !== undefined && keyFiles.length === 0)
    throw new Error('--service-account-signing-key-file needs --service-account-key-file: the keys that verify what it signs');
  const [issuer = `https://kubernetes.default.svc.${clusterDomain}`, ...otherIssuers] = flags.serviceAccountIssuer;
  return {
    issuer,
    otherIssuers,
    jwksUri: flags.serviceAccountJwksUri,
    ...(flags.apiAudiences.length === 0 ? {} : { audiences: flags.apiAudiences }),
    ...(keyFiles.length === 0 ? {} : { publicKey: keyFiles.map((path) => readKeys(path)).join('\n') }),
    ...(signingFile === undefined ? {} : { privateKey: readSigningKey(signingFile) }),
    maxExpirationSeconds: checkedLife(flags.serviceAccountMaxTokenExpiration),
    extendExpiration: flags.serviceAccountExtendTokenExpiration,
  };
}

/** Warnings for the log about settings of token lifetimes that do not do what one may expect. */
export function serviceAccountWarnings({ extendExpiration, maxExpirationSeconds = 0 }: Partial<TokenOptions>): string[] {
  if (extendExpiration !== true || maxExpirationSeconds === 0) return [];
  const extended = 'service-account-extend-token-expiration is true,';
  const longest = `${maxExpirationSeconds}s`;
  const warnings: string[] = [];
  if (maxExpirationSeconds < 3607)
    warnings.push(
      `${extended} in order to correctly trigger safe transition logic, service-account-max-token-expiration must be set longer than 3607 seconds (currently ${longest})`,
    );
  if (maxExpirationSeconds < 365 * 24 * 3600)
    warnings.push(
      `${extended} enabling tokens valid up to ${365 * 24 * 3600} seconds, which is longer than service-account-max-token-expiration set to ${longest}`,
    );
  return warnings;
}

function checkIssuers(issuers: readonly string[]): void {
  const seen = new Set<string>();
  for (const issuer of issuers) {
    if (issuer === '') throw new Error('service-account-issuer should not be an empty string');
    if (issuer.includes(':') && !URL.canParse(issuer))
      throw new Error(`service-account-issuer ${JSON.stringify(issuer)} contained a ':' but was not a valid URL`);
    if (seen.has(issuer)) throw new Error(`service-account-issuer ${JSON.stringify(issuer)} is already specified`);
    seen.add(issuer);
  }
}

function checkJwksUri(uri: string): void {
  if (uri === '') return;
  if (!URL.canParse(uri)) throw new Error(`service-account-jwks-uri must be a valid URL: ${uri}`);
  if (new URL(uri).protocol !== 'https:') throw new Error(`service-account-jwks-uri requires https scheme, parsed as: ${uri}`);
}

function checkedLife(lifeMs: number): number {
  if (lifeMs !== 0 && (lifeMs < 3_600_000 || lifeMs > 2 ** 32 * 1000))
    throw new Error('the service-account-max-token-expiration must be between 1 hour and 2^32 seconds');
  return lifeMs / 1000;
}

function readKeys(path: string): string {
  try {
    const pem = readFileSync(path, 'utf8');
    verificationKeys(pem);
    return pem;
  } catch (error) {
    throw new Error(`--service-account-key-file: error reading public key file ${path}: ${errorText(error)}`, { cause: error });
  }
}

function readSigningKey(path: string): string {
  try {
    const pem = readFileSync(path, 'utf8');
    signingKey(pem);
    return pem;
  } catch (error) {
    throw new Error(`--service-account-signing-key-file ${path}: ${errorText(error)}`, { cause: error });
  }
}
