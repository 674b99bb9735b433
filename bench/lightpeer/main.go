// Light peers: an SSH server so cheap that what is measured is the client.  It listens on every loopback address, so that one process
// plays thousands of hosts; anybody's key is accepted, a command's input is read to its end, and then a fixed text is the answer.  Where
// the input begins with M=@@NONCE, as the collector's script does, every @@NONCE in the answer becomes what stands there.
//
// Some addresses misbehave, so that runs with bad hosts can be made: 127.200.x.x never greets, 127.201.x.x closes in the middle of the
// key exchange, 127.202.x.x sends garbage, 127.203.x.x hangs in the command, 127.204.x.x prints without end, 127.205.x.x is cut off in
// the middle of its answer, 127.206.x.x closes at once.
package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

var open, peak int64

func main() {
	address := flag.String("address", "0.0.0.0:2222", "where to listen")
	keyFile := flag.String("key", "", "the host's private key; none: a fixed one is made from a seed")
	replyFile := flag.String("reply", "", "the file that every command answers with")
	delay := flag.Duration("delay", 0, "how long a command takes")
	flag.Parse()
	reply := []byte("ok\n")
	if *replyFile != "" {
		text, err := os.ReadFile(*replyFile)
		if err != nil {
			log.Fatal(err)
		}
		reply = text
	}
	signer, err := hostKey(*keyFile)
	if err != nil {
		log.Fatal(err)
	}
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil },
	}
	config.AddHostKey(signer)
	listener, err := net.Listen("tcp4", *address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", ssh.MarshalAuthorizedKey(signer.PublicKey()))
	os.Stdout.Sync()
	go func() { // the one who started us has gone: so do we
		io.Copy(io.Discard, os.Stdin)
		fmt.Fprintf(os.Stderr, "peak %d\n", atomic.LoadInt64(&peak))
		os.Exit(0)
	}()
	for {
		c, err := listener.Accept()
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		go serve(c, config, reply, *delay)
	}
}

func hostKey(name string) (ssh.Signer, error) {
	if name == "" {
		return ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)))
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(text); block == nil {
		return nil, fmt.Errorf("%s: no PEM", name)
	}
	return ssh.ParsePrivateKey(text)
}

// cut closes the connection after it has sent a number of bytes.
type cut struct {
	net.Conn
	left int
}

func (c *cut) Write(b []byte) (int, error) {
	if len(b) >= c.left {
		c.Conn.Write(b[:c.left])
		c.Conn.Close()
		return 0, io.ErrClosedPipe
	}
	c.left -= len(b)
	return c.Conn.Write(b)
}

func serve(c net.Conn, config *ssh.ServerConfig, reply []byte, delay time.Duration) {
	place := c.LocalAddr().String()
	flood, half := false, false
	switch {
	case strings.HasPrefix(place, "127.200."):
		io.Copy(io.Discard, c)
		c.Close()
		return
	case strings.HasPrefix(place, "127.201."):
		c = &cut{c, 700}
	case strings.HasPrefix(place, "127.202."):
		c.Write([]byte("SSH-2.0-garbage\r\n" + strings.Repeat("\xff\x00\x01garbage", 4000)))
		time.Sleep(time.Second)
		c.Close()
		return
	case strings.HasPrefix(place, "127.203."):
		delay = time.Hour
	case strings.HasPrefix(place, "127.204."):
		flood = true
	case strings.HasPrefix(place, "127.205."):
		half = true
	case strings.HasPrefix(place, "127.206."):
		c.Close()
		return
	}
	now := atomic.AddInt64(&open, 1)
	for seen := atomic.LoadInt64(&peak); now > seen && !atomic.CompareAndSwapInt64(&peak, seen, now); seen = atomic.LoadInt64(&peak) {
	}
	defer atomic.AddInt64(&open, -1)
	connection, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		c.Close()
		return
	}
	defer connection.Close()
	go ssh.DiscardRequests(requests)
	for asked := range channels {
		if asked.ChannelType() != "session" {
			asked.Reject(ssh.UnknownChannelType, "no")
			continue
		}
		channel, requests, err := asked.Accept()
		if err != nil {
			continue
		}
		go func() {
			for request := range requests {
				if request.Type != "exec" {
					request.Reply(request.Type == "env", nil)
					continue
				}
				request.Reply(true, nil)
				go func() {
					reply := reply
					if strings.HasPrefix(string(request.Payload[4:]), "sh ") {
						script, _ := io.ReadAll(channel)
						line, _, _ := bytes.Cut(script, []byte("\n"))
						if mark := bytes.TrimPrefix(line, []byte("M=")); bytes.HasPrefix(mark, []byte("@@")) {
							reply = bytes.ReplaceAll(reply, []byte("@@NONCE"), mark)
						}
					}
					time.Sleep(delay)
					for flood {
						if _, err := channel.Write(bytes.Repeat([]byte("flood "), 5000)); err != nil {
							return
						}
					}
					if half {
						channel.Write(reply[:len(reply)/2])
						time.Sleep(50 * time.Millisecond)
						c.Close()
						return
					}
					channel.Write(reply)
					channel.SendRequest("exit-status", false, []byte{0, 0, 0, 0})
					channel.Close()
				}()
			}
		}()
	}
}
