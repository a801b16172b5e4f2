/** For `absent-parts.test.ts`: nearly every field that checks and defaults look at. */
export const samples = {
  'deviceclasses.resource.k8s.io': {
    spec: {
      selectors: [{ cel: { expression: 'true' } }],
      config: [{ opaque: { driver: 'd', parameters: { a: 'b' } } }],
      extendedResourceName: 'example.com/gpu',
    },
  },
};
