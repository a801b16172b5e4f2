/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  namespaces: { spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } },
};
