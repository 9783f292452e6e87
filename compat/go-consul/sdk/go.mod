// In place of Consul's module of this name, which starts `consul`: this one starts SERVER_BINARY.
// It has what the tests that ship with github.com/hashicorp/consul/api use of the other.
module github.com/hashicorp/consul/sdk

go 1.26.7

require (
	github.com/hashicorp/go-hclog v1.6.3
	github.com/stretchr/testify v1.11.1
)
