/**
 * What is configured about one issuer of tokens, by `--oidc-*`.
 *
 * Source: kubernetes.io, Authenticating (OpenID Connect tokens); kubernetes `pkg/kubeapiserver/options/authentication.go`.
 */

/** One issuer, in the terms of upstream's AuthenticationConfiguration. */
export interface JwtIssuer {
  /** https; as the tokens' `iss` has it. */
  url: string;
  /** A token must be for one of them. */
  audiences: readonly string[];
  /** PEM; absent: the machine's. */
  ca?: string | undefined;
  username: { claim: string; prefix: string };
  groups?: { claim: string; prefix: string } | undefined;
  /** Claims that a token must have, with these values. */
  requiredClaims: ReadonlyMap<string, string>;
  signingAlgs: readonly string[];
}

/** Those that go with a public key. */
const signingAlgorithms = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512'];

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
 * Undefined: none is configured.
 * @param disallowed issuers that it may not be: that of service accounts @throws Error that names the flag
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

/** Without a prefix that is given, names other than addresses are told apart from those of others by the issuer. `-` is none. */
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
  const fail = (why: string): never => {
    throw new Error(`oidc-issuer-url ${JSON.stringify(text)}: ${why}`);
  };
  const url = URL.canParse(text) ? new URL(text) : fail('it is not a URL');
  if (url.protocol !== 'https:') fail('URL scheme must be https');
  if (url.username !== '' || url.password !== '') fail('URL must not contain a username or password');
  if (url.search !== '') fail('URL must not contain a query');
  if (url.hash !== '') fail('URL must not contain a fragment');
  if (disallowed.includes(text)) fail('URL must not overlap with disallowed issuers');
}
