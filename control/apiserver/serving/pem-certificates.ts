/** The certificates of a PEM bundle, each a text of its own; what stands between them is left out. */
export const pemCertificates = (bundle: string): string[] =>
  bundle.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
