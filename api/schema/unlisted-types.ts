/**
 * Types on the wire that upstream's OpenAPI documents of kinds do not contain, in the grammar of `facts.ts`.
 *
 * Source: apimachinery `pkg/apis/meta/v1/generated.proto`, `pkg/version/types.go`, api `apidiscovery/v2/generated.proto`, and the `types.go` beside them.
 */
export const unlistedTypes = `meta/v1.PartialObjectMetadata kind=meta.k8s.io/v1/PartialObjectMetadata
 apiVersion 0 s
 kind 0 s
 metadata 1 meta/v1.ObjectMeta
meta/v1.PartialObjectMetadataList kind=meta.k8s.io/v1/PartialObjectMetadataList
 apiVersion 0 s
 items 2 []meta/v1.PartialObjectMetadata !
 kind 0 s
 metadata 1 meta/v1.ListMeta
meta/v1.APIVersions kind=/v1/APIVersions required=versions,serverAddressByClientCIDRs
 apiVersion 0 s
 kind 0 s
 serverAddressByClientCIDRs 2 []meta/v1.ServerAddressByClientCIDR ! list=atomic
 versions 1 []s ! list=atomic
meta/v1.APIGroupList kind=/v1/APIGroupList
 apiVersion 0 s
 groups 1 []meta/v1.APIGroup ! list=atomic
 kind 0 s
meta/v1.APIGroup kind=/v1/APIGroup
 apiVersion 0 s
 kind 0 s
 name 1 s !
 preferredVersion 3 meta/v1.GroupVersionForDiscovery +
 serverAddressByClientCIDRs 4 []meta/v1.ServerAddressByClientCIDR list=atomic
 versions 2 []meta/v1.GroupVersionForDiscovery ! list=atomic
meta/v1.GroupVersionForDiscovery
 groupVersion 1 s !
 version 2 s !
meta/v1.ServerAddressByClientCIDR
 clientCIDR 1 s !
 serverAddress 2 s !
version.Info required=major,minor,gitVersion,gitCommit,gitTreeState,buildDate,goVersion,compiler,platform
 buildDate 0 s !
 compiler 0 s !
 emulationMajor 0 s
 emulationMinor 0 s
 gitCommit 0 s !
 gitTreeState 0 s !
 gitVersion 0 s !
 goVersion 0 s !
 major 0 s !
 minCompatibilityMajor 0 s
 minCompatibilityMinor 0 s
 minor 0 s !
 platform 0 s !
meta/v1.GroupVersionKind
 group 1 s !
 kind 3 s !
 version 2 s !
apidiscovery/v2.APIGroupDiscoveryList kind=apidiscovery.k8s.io/v2/APIGroupDiscoveryList
 apiVersion 0 s
 items 2 []apidiscovery/v2.APIGroupDiscovery !
 kind 0 s
 metadata 1 meta/v1.ListMeta +
apidiscovery/v2.APIGroupDiscovery
 metadata 1 meta/v1.ObjectMeta +
 versions 2 []apidiscovery/v2.APIVersionDiscovery list=map keys=version
apidiscovery/v2.APIVersionDiscovery
 freshness 3 s go=v2.DiscoveryFreshness
 resources 2 []apidiscovery/v2.APIResourceDiscovery list=map keys=resource
 version 1 s !
apidiscovery/v2.APIResourceDiscovery
 categories 7 []s list=set
 resource 1 s !
 responseKind 2 meta/v1.GroupVersionKind *
 scope 3 s ! go=v2.ResourceScope
 shortNames 6 []s list=set
 singularResource 4 s !
 subresources 8 []apidiscovery/v2.APISubresourceDiscovery list=map keys=subresource
 verbs 5 []s ! list=set
apidiscovery/v2.APISubresourceDiscovery
 acceptedTypes 3 []meta/v1.GroupVersionKind list=map keys=group,version,kind
 responseKind 2 meta/v1.GroupVersionKind *
 subresource 1 s !
 verbs 4 []s ! list=set
`;
