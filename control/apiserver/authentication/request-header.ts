/**
 * An authenticating proxy in front of the API server. It names the user in headers, and authenticates itself with a client certificate of a
 * separate CA.
 *
 * Source: apiserver `pkg/authentication/request/headerrequest`; kubernetes.io, Authenticating (authenticating proxy).
 */
import type { Clock } from '#client/clock.ts';
import { AuthenticationError, type RequestAuthenticator } from './authenticator.ts';
import { certificateProblem, commonNameOf } from './client-certificate.ts';
import type { HeaderValues } from './header-values.ts';

/** `--requestheader-*`. */
export interface RequestHeaderOptions {
  /** PEM, `--requestheader-client-ca-file`: one or several. */
  clientCa: string;
  /** Common names that the proxy's certificate may have; empty: any. */
  allowedNames: readonly string[];
  usernameHeaders: readonly string[];
  uidHeaders: readonly string[];
  groupHeaders: readonly string[];
  extraHeaderPrefixes: readonly string[];
}

/** Authenticates by the headers of a proxy. They are ignored without the proxy's certificate. */
export function requestHeaders(options: RequestHeaderOptions, clock: Clock): RequestAuthenticator {
  const names = (list: readonly string[]): string[] => list.map((name) => name.trim().toLowerCase());
  const [userHeaders, uidHeaders, groupHeaders] = [options.usernameHeaders, options.uidHeaders, options.groupHeaders].map(names);
  const prefixes = names(options.extraHeaderPrefixes);
  return {
    authenticateRequest({ certificate: shown, headers }) {
      if (shown === undefined) return undefined;
      const problem = certificateProblem(shown, 'requestHeader', () => Date.parse(shown.certificate.valid_to), clock);
      if (problem !== undefined) return problem;
      const commonName = commonNameOf(shown.certificate);
      if (options.allowedNames.length > 0 && !options.allowedNames.includes(commonName))
        throw new AuthenticationError(`x509: subject with cn=${commonName} is not in the allowed list`);
      const firstOf = (list: readonly string[] = []): string =>
        list.map((name) => headers.header(name)[0] ?? '').find((one) => one !== '') ?? '';
      const name = firstOf(userHeaders);
      if (name === '') return undefined;
      const uid = firstOf(uidHeaders);
      const groups = (groupHeaders ?? []).flatMap((one) => headers.header(one).filter((value) => value !== ''));
      return {
        user: { name, ...(uid === '' ? {} : { uid }), groups, extra: extraOf(prefixes, headers) },
      };
    },
  };
}

function extraOf(prefixes: readonly string[], headers: HeaderValues): Record<string, readonly string[]> {
  const extra = new Map<string, string[]>();
  for (const prefix of prefixes) {
    for (const name of headers.headerNames()) {
      if (!name.startsWith(prefix)) continue;
      const key = unescaped(name.slice(prefix.length));
      extra.set(key, [...(extra.get(key) ?? []), ...headers.header(name)]);
    }
  }
  return Object.fromEntries(extra);
}

/** A key with an invalid encoding is used as it is. */
function unescaped(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

/** As upstream, these headers are removed from every authenticated request, whatever is configured. */
const standard = { names: ['x-remote-user', 'x-remote-uid', 'x-remote-group'], prefixes: ['x-remote-extra-'] };

/** Whether a header names the user. Such headers are removed after authentication. @param options the configuration, if there is one */
export function isIdentityHeader(options: RequestHeaderOptions | undefined): (name: string) => boolean {
  const own = options === undefined ? [] : [options.usernameHeaders, options.uidHeaders, options.groupHeaders].flat();
  const lower = (list: readonly string[]): string[] => list.map((name) => name.trim().toLowerCase());
  const names = new Set(['authorization', ...standard.names, ...lower(own)]);
  const prefixes = [...standard.prefixes, ...lower(options?.extraHeaderPrefixes ?? [])];
  return (name) => names.has(name) || prefixes.some((prefix) => name.startsWith(prefix));
}
