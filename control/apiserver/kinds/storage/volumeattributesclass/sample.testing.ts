/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  'volumeattributesclasses.storage.k8s.io': { driverName: 'd', parameters: { a: 'b' } },
};
