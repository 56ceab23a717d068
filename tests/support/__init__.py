"""What tests of several areas share: brokers, proxies, a checker, and the simulation."""
