// SPDX-License-Identifier: Apache-2.0
// The C# side of the tests with named pipes: one program with a sub-command
// for each part. Compiles with the .NET SDK and with Mono's mcs.
//
//     Peer agent                               does what table.c tells it
//     Peer flaminio|raw|bytes|hello ROLE NAME  the programs of examples/
//     Peer second ROLE NAME FORM TIMES         where clients are sent on
//     Peer mixed NAME CLIENTS MESSAGES FIRST   many clients of test_mixed
using System;

static class Peer
{
    static int Main(string[] args)
    {
        string command = args.Length > 0 ? args[0] : "";

        if (command == "agent")
            return Agent.Run();
        if (command == "mixed" && args.Length == 5)
            return Mixed.Run(args[1], int.Parse(args[2]), int.Parse(args[3]),
                             int.Parse(args[4]));
        if (command == "second" && args.Length == 5)
            return SecondPipe.Run(args[1], args[2], args[3],
                                  int.Parse(args[4]));
        if (args.Length == 3)
            return Programs.Run(command, args[1], args[2]);
        Console.Error.WriteLine("Peer: how to use it is told in Peer.cs");
        return 2;
    }
}
