/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
import { generateKeyPairSync } from 'node:crypto';
import { createCertificateRequest } from '#api/x509/create-request.ts';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const at = '2026-01-01T00:00:00Z';

export const samples = {
  'certificatesigningrequests.certificates.k8s.io': {
    spec: {
      request: Buffer.from(createCertificateRequest({ commonName: 'jane' }, privateKey)).toString('base64'),
      signerName: 'example.com/signer',
      usages: ['client auth', 'digital signature'],
      expirationSeconds: 3600,
      username: 'jane',
      uid: 'u',
      groups: ['g'],
      extra: { key: ['value'] },
    },
    status: {
      certificate: '',
      conditions: [
        { type: 'Approved', status: 'True', reason: 'r', message: 'm', lastUpdateTime: at, lastTransitionTime: at },
        { type: 'Other', status: 'False' },
      ],
    },
  },
};
