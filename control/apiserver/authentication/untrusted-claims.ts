/**
 * Reads the issuer of a JWT before the token is verified, so that only the authenticator of that issuer verifies it.
 *
 * Source: kubernetes `pkg/serviceaccount/jwt.go` (hasCorrectIssuer).
 */

/** The payload's `iss` claim. Undefined if the token is not a JWT or has no such claim. The value is not verified. */
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
    return undefined; // Not JSON, so not a JWT.
  }
}
