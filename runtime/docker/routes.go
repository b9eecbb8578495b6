package docker

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"net/netip"
	"os"
	"strings"
)

// routes returns the destinations of this machine's IPv4 routes but the default
// one, as Linux lists them in /proc/net/route (proc_net(5): destination and mask
// are in columns 2 and 8, in the host's byte order). Elsewhere it returns none.
func routes() []netip.Prefix {
	f, err := os.Open("/proc/net/route")
	if err != nil {
		return nil
	}
	defer f.Close()
	var found []netip.Prefix
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if p, ok := parseRoute(lines.Text()); ok && p.Bits() > 0 {
			found = append(found, p)
		}
	}
	return found
}

func parseRoute(line string) (netip.Prefix, bool) {
	col := strings.Fields(line)
	if len(col) < 8 {
		return netip.Prefix{}, false
	}
	dst, err1 := hex.DecodeString(col[1])
	mask, err2 := hex.DecodeString(col[7])
	if err1 != nil || err2 != nil || len(dst) != 4 || len(mask) != 4 {
		return netip.Prefix{}, false
	}
	var addr [4]byte
	binary.LittleEndian.PutUint32(addr[:], binary.BigEndian.Uint32(dst))
	ones := bits.OnesCount32(binary.BigEndian.Uint32(mask))
	return netip.PrefixFrom(netip.AddrFrom4(addr), ones), true
}
