/**
 * What a JWT says before anybody has verified it: whose it claims to be, so that only that issuer's authenticator looks at it.
 *
 * Source: kubernetes `pkg/serviceaccount/jwt.go` (hasCorrectIssuer).
 */

/** The payload's `iss` claim. Undefined: it is no JWT, or has none. Nothing of it is to be trusted. */
export function untrustedIssuer(token: string): string | undefined {
  const first = token.indexOf('.');
  const second = token.indexOf('.', first + 1);
  if (first < 0 || second < 0 || token.includes('.', second + 1)) return undefined;
  try {
    const claims = JSON.parse(Buffer.from(token.slice(first + 1, second), 'base64url').toString('utf8')) as {
      iss?: unknown;
    } | null;
    return typeof claims?.iss === 'string' ? claims.iss : undefined;
  } catch {
    return undefined; // Not JSON: then it is something else than a JWT.
  }
}
