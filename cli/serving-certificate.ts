/** The flags that name a serving certificate. */
import { errorText } from '#api/error-text.ts';
import { CertificateFiles } from '#client/certificate-files.ts';

/** `--tls-cert-file` and its key. @throws Error that names the flags */
export function servingCertificateOf({
  tlsCertFile: certFile,
  tlsPrivateKeyFile: keyFile,
}: {
  tlsCertFile: string | undefined;
  tlsPrivateKeyFile: string | undefined;
}): CertificateFiles | undefined {
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined)
    throw new Error('--tls-cert-file and --tls-private-key-file go together: give both');
  try {
    return new CertificateFiles(certFile, keyFile);
  } catch (error) {
    throw new Error(`--tls-cert-file, --tls-private-key-file: ${errorText(error)}`, { cause: error });
  }
}
