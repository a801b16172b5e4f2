/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  serviceaccounts: { secrets: [{ name: 's' }], imagePullSecrets: [{ name: 'p' }] },
};
