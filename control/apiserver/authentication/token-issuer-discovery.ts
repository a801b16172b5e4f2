/**
 * The OpenID configuration and public keys of the service account issuer, with which other programs verify tokens themselves.
 *
 * Source: kubernetes.io, "Service account issuer discovery"; kubernetes `pkg/serviceaccount/openidmetadata.go`.
 */
import type { TransportResponse } from '#client/transport.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import { bytesResponse } from '../rest/responses.ts';
import type { ServiceAccountTokens } from './service-account-tokens.ts';

const configurationPath = '/.well-known/openid-configuration';
const keysPath = '/openid/v1/jwks';
const cacheControl = { 'cache-control': 'public, max-age=3600' };

/** Undefined for other paths, and if the issuer is not a URL that OpenID Connect allows. */
export function handleIssuerDiscovery(
  { path }: RequestInfo,
  tokens: ServiceAccountTokens | undefined,
  serverAddress: string,
): TransportResponse | undefined {
  if (tokens === undefined || !isDiscoverable(tokens.options.issuer)) return undefined;
  if (path === configurationPath) {
    const document = {
      issuer: tokens.options.issuer,
      jwks_uri: tokens.options.jwksUri || `https://${serverAddress}${keysPath}`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: tokens.algorithms,
    };
    return bytesResponse(200, 'application/json', Buffer.from(JSON.stringify(document)), cacheControl);
  }
  if (path !== keysPath) return undefined;
  return bytesResponse(200, 'application/jwk-set+json', Buffer.from(JSON.stringify({ keys: tokens.publicJwks() })), cacheControl);
}

function isDiscoverable(issuer: string): boolean {
  const url = URL.parse(issuer);
  return url !== null && url.protocol === 'https:' && url.search === '' && url.hash === '';
}
