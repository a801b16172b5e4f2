/**
 * The configuration of one token issuer, and the flags `--oidc-*`.
 *
 * Source: kubernetes.io, Authenticating (OpenID Connect tokens); kubernetes `pkg/kubeapiserver/options/authentication.go`.
 */

import type { Expression } from '../../expressions/expression.ts';

/** How one attribute of the user is derived from claims. */
export type ClaimMapping = { claim: string; prefix: string } | { expression: Expression };
/** A rule that must be true. Users that it refuses get the message. */
export interface ValidationRule {
  expression: Expression;
  message: string;
}

/** One issuer, in the terms of upstream's AuthenticationConfiguration. */
export interface JwtIssuer {
  /** An https URL, equal to the claim `iss` of the tokens. */
  url: string;
  /** The URL of its OpenID configuration, if it is not below {@link url}. */
  discoveryUrl?: string | undefined;
  /** A token must be for one of them. */
  audiences: readonly string[];
  /** PEM. Absent: the CAs of the machine. */
  ca?: string | undefined;
  username: ClaimMapping;
  groups?: ClaimMapping | undefined;
  uid?: { claim: string } | { expression: Expression } | undefined;
  extra?: readonly { key: string; expression: Expression }[];
  /** Required claims with their values. */
  requiredClaims: ReadonlyMap<string, string>;
  /** Rules about `claims`. */
  claimRules?: readonly ValidationRule[];
  /** Rules about `user`. */
  userRules?: readonly ValidationRule[];
  signingAlgs: readonly string[];
}

/** The asymmetric signature algorithms. */
const signingAlgorithms = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512'];

/** The flags `--oidc-*`, which configure one issuer. */
export interface OidcFlags {
  oidcIssuerUrl: string | undefined;
  oidcClientId: string | undefined;
  oidcUsernameClaim: string;
  oidcUsernamePrefix: string;
  oidcGroupsClaim: string | undefined;
  oidcGroupsPrefix: string;
  /** `claim=value` each. */
  oidcRequiredClaim: string[];
  oidcSigningAlgs: string[];
}

/**
 * Undefined if no issuer is configured.
 * @param disallowed issuers that are not allowed: that of service accounts @throws Error that names the flag
 */
export function jwtIssuerOf(flags: OidcFlags, ca: string | undefined, disallowed: readonly string[]): JwtIssuer | undefined {
  const { oidcIssuerUrl: url = '', oidcClientId: clientId = '', oidcUsernamePrefix: prefix, oidcGroupsClaim = '' } = flags;
  if ((url === '') !== (clientId === '')) throw new Error('oidc-issuer-url and oidc-client-id must be specified together');
  if (url === '') {
    if (ca !== undefined || oidcGroupsClaim !== '' || prefix !== '' || flags.oidcRequiredClaim.length > 0)
      throw new Error('oidc-* flags need oidc-issuer-url and oidc-client-id');
    return undefined;
  }
  checkUrl(url, disallowed);
  const unknown = flags.oidcSigningAlgs.find((alg) => !signingAlgorithms.includes(alg));
  if (unknown !== undefined) throw new Error(`oidc: unsupported signing alg: ${JSON.stringify(unknown)}`);
  if (flags.oidcUsernameClaim === '') throw new Error('oidc-username-claim must not be empty');
  return {
    url,
    audiences: [clientId],
    ca,
    username: { claim: flags.oidcUsernameClaim, prefix: usernamePrefix(prefix, flags.oidcUsernameClaim, url) },
    groups: oidcGroupsClaim === '' ? undefined : { claim: oidcGroupsClaim, prefix: flags.oidcGroupsPrefix },
    requiredClaims: new Map(flags.oidcRequiredClaim.map(pairOf)),
    signingAlgs: flags.oidcSigningAlgs,
  };
}

/** The prefix of user names. By default it is the issuer, except for the claim `email`. `-` means no prefix. */
function usernamePrefix(given: string, claim: string, url: string): string {
  if (given === '-') return '';
  return given === '' && claim !== 'email' ? `${url}#` : given;
}

function pairOf(text: string): [claim: string, value: string] {
  const at = text.indexOf('=');
  if (at < 0) throw new Error(`oidc-required-claim: malformed pair, expect string=string: ${text}`);
  return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}

function checkUrl(text: string, disallowed: readonly string[]): void {
  const [problem] = urlProblems(text, disallowed);
  if (problem !== undefined) throw new Error(`oidc-issuer-url ${JSON.stringify(text)}: ${problem}`);
}

/** The errors of an issuer's URL, with upstream's messages. Pure. */
export function urlProblems(text: string, disallowed: readonly string[]): string[] {
  const problems: string[] = [];
  if (disallowed.includes(text))
    problems.push(`URL must not overlap with disallowed issuers: [${[...disallowed].sort().join(' ')}]`);
  if (!URL.canParse(text)) return [...problems, 'it is not a URL'];
  const url = new URL(text);
  if (url.protocol !== 'https:') problems.push('URL scheme must be https');
  if (url.username !== '' || url.password !== '') problems.push('URL must not contain a username or password');
  if (url.search !== '') problems.push('URL must not contain a query');
  if (url.hash !== '') problems.push('URL must not contain a fragment');
  return problems;
}
