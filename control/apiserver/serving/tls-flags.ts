/**
 * `--tls-min-version` and `--tls-cipher-suites`: Go's names, as OpenSSL knows them. Those of TLS 1.3 cannot be chosen, as in Go.
 *
 * Source: component-base `cli/flag/ciphersuites_flag.go`; Go's crypto/tls (CipherSuites, InsecureCipherSuites).
 */

const openSslNames: Readonly<Record<string, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: 'ECDHE-ECDSA-AES128-SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: 'ECDHE-RSA-AES128-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_RSA_WITH_AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  TLS_RSA_WITH_AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
  TLS_RSA_WITH_AES_128_CBC_SHA256: 'AES128-SHA256',
  TLS_RSA_WITH_AES_128_CBC_SHA: 'AES128-SHA',
  TLS_RSA_WITH_AES_256_CBC_SHA: 'AES256-SHA',
};
const ofTls13: ReadonlySet<string> = new Set([
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
]);

/** What a listener accepts. */
export interface TlsLimits {
  minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined;
  /** In OpenSSL's form. Absent: OpenSSL's defaults. */
  ciphers?: string | undefined;
}

/**
 * @param minVersion `VersionTLS12`, `VersionTLS13`; '' is the default
 * @param suites names of suites; none: the defaults
 * @throws Error in upstream's words
 */
export function tlsLimits(minVersion: string, suites: readonly string[]): TlsLimits {
  if (!['', 'VersionTLS10', 'VersionTLS11', 'VersionTLS12', 'VersionTLS13'].includes(minVersion))
    throw new Error(`unknown tls version ${JSON.stringify(minVersion)}`);
  if (minVersion === 'VersionTLS10' || minVersion === 'VersionTLS11')
    throw new Error(`--tls-min-version ${minVersion}: TLS before 1.2 is not spoken here: give VersionTLS12 or VersionTLS13`);
  const version = minVersion === 'VersionTLS13' ? 'TLSv1.3' : 'TLSv1.2';
  const names = suites.flatMap((suite) => {
    if (ofTls13.has(suite)) return [suite];
    const name = Object.hasOwn(openSslNames, suite) ? openSslNames[suite] : undefined;
    if (name === undefined) throw new Error(`Cipher suite ${suite} not supported or doesn't exist`);
    return [name];
  });
  if (names.length === 0) return { minVersion: version };
  // OpenSSL has one list for all versions: what is left out of it is not spoken, and Go always speaks those of 1.3.
  return { minVersion: version, ciphers: [...new Set([...ofTls13, ...names])].join(':') };
}
